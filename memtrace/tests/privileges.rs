//! Which capabilities a memtrace goes on with once its programs are attached, in all its threads,
//! and what a command that it starts has. Needs BPF and root; without them each test says so and
//! counts as skipped.

#[expect(dead_code, reason = "others run it to its end")]
mod common;
mod trials;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memtrace_host::probe::Hooking;
use trials::Test;

const TESTS: [(&str, Test); 4] = [
    ("a_stream_goes_on_with_few_privileges", stream),
    ("an_exporter_goes_on_with_few_privileges", exporter),
    ("those_who_read_its_samples_go_on_with_few_privileges", readers),
    ("mitigate_goes_on_with_few_privileges_and_its_commands_have_roots", mitigate),
];

/// Bits of capabilities(7): 1 and 2 DAC, 5 KILL, 6 SETGID, 7 SETUID, 14 IPC_LOCK, 19 SYS_PTRACE,
/// 38 PERFMON, 39 BPF.
const KEPT: u64 = 0xc0_0008_40e6;
/// Threads that use nothing but what is open, and have none.
const IDLE: [&str; 2] = ["events", "signals"];
/// Threads of one that measures.
const MEASURING: [&str; 2] = ["sampling", "events"];
/// Limit on a wait.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    trials::run(TESTS, "privileges of a running memtrace", obstacle(), None)
}

/// Why it can't run here, if it can't.
fn obstacle() -> Option<String> {
    let lacks = || set("self", "CapEff").ok().filter(|own| own & KEPT != KEPT);
    if !rustix::process::geteuid().is_root() {
        return Some("this is another user than root".into());
    }
    if let Some(own) = lacks() {
        return Some(format!("this root has the capabilities {own:x} alone"));
    }
    let opened = memtrace_host::probe::open(Path::new("/sys"), false, Hooking::Always);
    opened.err().map(|error| format!("{error:#}"))
}

/// A memtrace that is killed when this is dropped.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stderr(Stdio::null()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Self { child, output })
    }

    /// Waits for a line of its output.
    fn line(&mut self) -> Result<()> {
        ensure!(self.output.read_line(&mut String::new())? > 0, "it ends without a sample");
        Ok(())
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Fails where a thread has others than those that it should have, or one is missing.
    fn is_bounded(&self, wanted: &[&str]) -> Result<()> {
        let threads = threads(&self.pid())?;
        let names: Vec<&str> = threads.values().map(|(name, ..)| name.as_str()).collect();
        ensure!(wanted.iter().all(|name| names.contains(name)), "{names:?}");
        for (thread, (name, effective, permitted)) in &threads {
            let expected = if IDLE.contains(&name.as_str()) { 0 } else { KEPT };
            let has = (*effective, *permitted);
            ensure!(has == (expected, expected), "{thread} {name} has {has:x?}");
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Our own child; gone already if the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The threads of a process by their ids: name, effective and permitted capabilities.
fn threads(pid: &str) -> Result<BTreeMap<String, (String, u64, u64)>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let place = format!("{pid}/task/{}", entry?.file_name().to_string_lossy());
        // One may end meanwhile.
        let Ok(name) = fs::read_to_string(format!("/proc/{place}/comm")) else { continue };
        let (Ok(effective), Ok(permitted)) = (set(&place, "CapEff"), set(&place, "CapPrm")) else {
            continue;
        };
        threads.insert(place, (name.trim_end().to_owned(), effective, permitted));
    }
    Ok(threads)
}

/// A set of capabilities in the status of a process or thread.
fn set(process: &str, name: &str) -> Result<u64> {
    told(&fs::read_to_string(format!("/proc/{process}/status"))?, name)
}

fn told(status: &str, name: &str) -> Result<u64> {
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
    let value = status.lines().find_map(value).context("not in the status")?;
    Ok(u64::from_str_radix(&value, 16)?)
}

fn stream() -> Result<()> {
    let arguments = ["stream", "--attach", "--no-libvirt", "--interval", "200ms"];
    let mut stream = Running::start(common::memtrace(&arguments))?;
    stream.line()?;
    stream.is_bounded(&MEASURING)
}

fn exporter() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let page = folder.path().join("page.prom");
    let mut command = common::memtrace(&["exporter", "--no-libvirt", "--every", "1s"]);
    command.arg("--samples").arg(folder.path().join("samples.sock"));
    command.arg("--textfile").arg(&page);
    let exporter = Running::start(command)?;
    // Written by a thread that is started for it, after the first sample.
    until("the first page", || page.exists().then_some(()))?;
    exporter.is_bounded(&MEASURING)
}

fn readers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let (samples, page) = (at("samples.sock"), at("page.prom"));
    let mut command = common::memtrace(&["exporter", "--no-libvirt"]);
    command.arg("--samples").arg(&samples).arg("--textfile").arg(at("first.prom"));
    let _exporter = Running::start(command)?;
    until("its socket", || samples.exists().then_some(()))?;
    let mut command = common::memtrace(&["stream"]);
    command.arg("--samples").arg(&samples);
    let mut stream = Running::start(command)?;
    stream.line()?;
    stream.is_bounded(&["sampling"])?;
    let mut command = common::memtrace(&["exporter", "--every", "1s"]);
    command.arg("--samples").arg(&samples).arg("--textfile").arg(&page);
    let second = Running::start(command)?;
    until("the second one's page", || page.exists().then_some(()))?;
    second.is_bounded(&["sampling"])
}

fn mitigate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (configured, told_by) = (folder.path().join("memtrace.toml"), folder.path().join("status"));
    let script =
        format!("cat /proc/self/status > {0}.new && mv {0}.new {0}; cat", told_by.display());
    let configuration = format!(
        "[samples]\nsocket = \"{}\"\n[hook]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n",
        folder.path().join("samples.sock").display()
    );
    fs::write(&configured, configuration)?;
    let mut command = common::memtrace(&["mitigate", "--json", "--no-libvirt"]);
    command.arg("--config").arg(&configured).arg("--state-dir").arg(folder.path().join("state"));
    let mut mitigate = Running::start(command)?;
    mitigate.line()?;
    mitigate.is_bounded(&MEASURING)?;
    ensure!(folder.path().join("samples.sock").exists(), "it serves no samples");
    let status = until("the command", || fs::read_to_string(&told_by).ok())?;
    let (bounding, of_command) = (set("self", "CapBnd")?, told(&status, "CapEff")?);
    ensure!(of_command == bounding, "the command has {of_command:x}, of {bounding:x}");
    Ok(())
}

fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if let Some(answer) = answer() {
            return Ok(answer);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    bail!("waited {DEADLINE:?} in vain for {what}")
}
