//! A plain guest's qemu: its command line, and starting it inside its cgroup.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::plan::{Devices, GuestPlan, LIFETIME_SECONDS};
use super::process::Process;

/// What all guests boot.
#[derive(Clone, Debug)]
pub struct Boot {
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    /// The disk of guests that have files to read.
    pub files: PathBuf,
}

/// A disk of 100 MiB and 5000 reads a second, as the simulator's guests have (`DISK`,
/// `DISK_SECONDS`), out of the host's page cache, so that nothing else decides.
const DISK: &str = "if=none,id=files,format=raw,readonly=on,cache=writeback,\
                    throttling.bps-total=104857600,throttling.iops-total=5000";

/// Where a plain guest has its sockets and files.
#[derive(Clone, Debug)]
pub struct Files {
    /// For memtrace: a QMP socket serves one client.
    pub qmp: PathBuf,
    /// For us: the human monitor.
    pub monitor: PathBuf,
    /// The guest's second serial port.
    pub agent: PathBuf,
    pub console: PathBuf,
    pub pid: PathBuf,
}

impl Files {
    /// Names them in a folder.
    pub fn new(folder: &Path, guest: &str) -> Self {
        let name = |ending: &str| folder.join(format!("{guest}.{ending}"));
        Self {
            qmp: name("qmp"),
            monitor: name("monitor"),
            agent: name("agent"),
            console: name("console"),
            pid: name("pid"),
        }
    }
}

/// The guest kernel's command line.
pub fn kernel_arguments() -> String {
    format!("console=ttyS0 quiet panic=-1 psi=1 memtrace.lifetime={LIFETIME_SECONDS}")
}

/// Starts the guest; its memory is charged to `cgroup` from the first page on.
///
/// # Errors
/// When qemu doesn't start; the error holds what it said.
pub fn start(guest: &GuestPlan, boot: &Boot, files: &Files, cgroup: &Path) -> Result<Process> {
    // A shell enters the cgroup and then becomes qemu.
    let output = Command::new("sh")
        .args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec qemu-system-x86_64 "$@""#])
        .arg(cgroup)
        .args(arguments(guest, boot, files))
        .stdin(Stdio::null())
        .output()
        .context("run qemu-system-x86_64")?;
    if !output.status.success() {
        bail!("{}: {}", guest.name, String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = fs::read_to_string(&files.pid).context("qemu left no pid")?;
    Process::of(text.trim().parse().context("qemu left no pid")?)
}

fn arguments(guest: &GuestPlan, boot: &Boot, files: &Files) -> Vec<OsString> {
    let socket = |path: &Path| format!("unix:{},server=on,wait=off", path.display());
    let mut words: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: String| {
        words.push(name.into());
        words.push(value.into());
    };
    option("-name", format!("guest={},debug-threads=on", guest.name));
    option("-uuid", guest.uuid.to_owned());
    // The translator's buffer would otherwise dwarf the guests.
    option("-accel", "tcg,tb-size=32".to_owned());
    option("-m", guest.memory_mib.to_string());
    option("-smp", "1".to_owned());
    option("-display", "none".to_owned());
    option("-kernel", boot.kernel.display().to_string());
    option("-initrd", boot.initramfs.display().to_string());
    option("-append", kernel_arguments());
    option("-serial", format!("file:{}", files.console.display()));
    option("-serial", socket(&files.agent));
    option("-qmp", socket(&files.qmp));
    option("-monitor", socket(&files.monitor));
    let Devices { files: disk, deflate_on_oom, free_page_reporting } = guest.devices;
    let on = |is_on: bool| if is_on { "on" } else { "off" };
    let (lets_go, reports) = (on(deflate_on_oom), on(free_page_reporting));
    option(
        "-device",
        format!(
            "virtio-balloon-pci,id=balloon0,deflate-on-oom={lets_go},free-page-reporting={reports}"
        ),
    );
    if disk {
        option("-drive", format!("{DISK},file={}", boot.files.display()));
        option("-device", "virtio-blk-pci,drive=files".to_owned());
    }
    option("-pidfile", files.pid.display().to_string());
    for flag in ["-nodefaults", "-no-reboot", "-daemonize"] {
        words.push(flag.into());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::plan::GUESTS;

    #[test]
    fn a_guest_says_its_name_and_uuid_and_has_a_balloon() {
        let boot = Boot {
            kernel: PathBuf::from("/k"),
            initramfs: PathBuf::from("/i"),
            files: PathBuf::from("/f"),
        };
        let files = Files::new(Path::new("/lab"), "noisy");
        let words = arguments(&GUESTS[0], &boot, &files);
        let after = |name: &str| {
            let place = words.iter().position(|word| word == name).unwrap();
            words[place + 1].to_string_lossy().into_owned()
        };
        assert_eq!(after("-name"), "guest=noisy,debug-threads=on");
        assert_eq!(after("-uuid"), GUESTS[0].uuid);
        assert_eq!(after("-qmp"), "unix:/lab/noisy.qmp,server=on,wait=off");
        assert!(after("-device").starts_with("virtio-balloon-pci"));
        assert!(after("-append").contains("memtrace.lifetime="));
    }
}
