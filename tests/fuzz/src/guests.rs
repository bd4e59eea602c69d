//! VMs: command lines and their files, monitors, domains, platforms.

use memtrace_host::hostfs::process::ProcessStat;
use memtrace_host::parsers::{self, Description};
use memtrace_host::protocol::{Answer, LONGEST_LINE, Lines};
use memtrace_host::vmm::qemu::{QemuCommand, no_monitor};

use crate::{assert_displayable, lossy, parts};

/// Longest input for a monitor: what a socket takes before anybody reads.
const LONGEST: usize = 64 << 10;

/// A command line as in /proc/PID/cmdline, an empty argument, and the text of its `-readconfig`.
pub fn qemu(data: &[u8]) {
    let command = command(data);
    if let Err(reason) = command.size() {
        assert_displayable(&reason);
    }
    assert_displayable(&no_monitor(Some(&command)));
    let paths: usize = command.qmp_sockets.iter().map(String::len).sum();
    assert!(paths <= 64 << 10, "{paths} bytes of paths");
    let name = command.name.as_deref().unwrap_or_default().chars().count();
    let words: usize = command.products.iter().chain(&command.directories).map(String::len).sum();
    assert!(name <= 1024 && words <= 64 << 10, "{name} characters of its name, {words} bytes");
    if command.unread.is_some() {
        let seen = [command.passes_through(), command.is_encrypted(), command.is_incoming()];
        assert!(!seen.contains(&Some(false)), "{seen:?}");
        assert_eq!((command.virtual_cpus(), command.shares_memory()), (None, None));
        assert!(command.nodes().is_err());
    }
}

fn command(data: &[u8]) -> QemuCommand {
    let end = data.windows(2).position(|pair| pair == [0, 0]).unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    let arguments: Vec<String> = line.split(|byte| *byte == 0).map(lossy).collect();
    let file = lossy(rest.get(2..).unwrap_or_default());
    let mut read = 0;
    let command = QemuCommand::with_files(&arguments, |_| {
        read += 1;
        Ok(file.clone())
    });
    assert!(read <= 4, "{read} files were read");
    command
}

/// All that a monitor sends to a client that asks for guest statistics, or for devices.
pub fn qmp(data: &[u8]) {
    let data = data.get(..LONGEST).unwrap_or(data);
    let polled = parsers::poll(data);
    let problem = polled.map_or_else(Some, |answer| answer.guest.problem);
    problem.iter().for_each(|text| assert_displayable(text));
    let problem = parsers::inspect(data).err();
    problem.iter().for_each(|text| assert_displayable(text));
}

/// A domain's XML or metadata, as libvirt gives them, and lines of the helper that asks it.
pub fn domain(data: &[u8]) {
    let mut lines = Lines::default();
    let _ = lines.take(data);
    while let Some(line) = lines.next_line() {
        if let Ok(answer) = Answer::parse(&line) {
            assert!(answer.line().len() <= LONGEST_LINE, "an answer grew beyond a line");
        }
    }
    parsers::domain(&lossy(data)).iter().for_each(|text| assert_displayable(text));
}

/// The lines of /proc/PID/cgroup, the file of the platform, the command's name, and the command
/// line, of which the program is the first word.
pub fn labels(data: &[u8]) {
    let [cgroups, file, comm, line] = parts(data);
    let stat = ProcessStat { comm, ..ProcessStat::default() };
    let arguments: Vec<String> = line.split('\0').map(str::to_owned).collect();
    let mut description = Description::of_process(7, &stat);
    let qemu = QemuCommand::parse(arguments.get(1..).unwrap_or_default());
    if let Some(name) = &qemu.name {
        description.name.clone_from(name);
    }
    description.uuid = qemu.uuid;
    description.arguments = arguments;
    description.qemu = Some(qemu);
    let texts = parsers::labels(&description, &cgroups, &file);
    texts.iter().for_each(|text| assert_displayable(text));
}
