//! Kernel support and host configuration, from files.

use std::path::Path;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::command::doctor::confinement;
use crate::command::doctor::report::{Fact, Standing};
use crate::service::live;
use memtrace_core::format;
use memtrace_core::units::Bytes;
use memtrace_host::hostfs::host::HostFacts;
use memtrace_host::hostfs::{HostRoot, mounts, psi, swaps};
use memtrace_host::privileges::{self, Capability};
use memtrace_host::probe::Hooking;
use memtrace_host::vmm::libvirt;

/// Maximum number of swap devices named.
const MOST_DEVICES: usize = 4;

/// All facts that don't need eBPF.
pub(super) fn facts(root: &HostRoot) -> Vec<Fact> {
    vec![
        kernel(root),
        type_information(root),
        capabilities(privileges::effective(root)),
        confinement::lockdown(root),
        confinement::security_module(root),
        tracefs(root),
        cgroups(root),
        swap(root),
        pressure(root),
        hooks(),
        libvirt(root, &libvirt::inspect::runs()),
    ]
}

pub(super) fn fact(name: &'static str, standing: Standing, finding: impl Into<String>) -> Fact {
    Fact { name, standing, finding: finding.into() }
}

fn kernel(root: &HostRoot) -> Fact {
    let architecture = std::env::consts::ARCH;
    match HostFacts::read(root).kernel {
        Some(release) => fact("kernel", Standing::Good, format!("{release} on {architecture}")),
        None => fact("kernel", Standing::Poor, format!("unknown release on {architecture}")),
    }
}

/// Of a memtrace that measures; what one does at this moment is in its samples.
fn hooks() -> Fact {
    let finding = match live::hooking(false) {
        Hooking::Always => "all are attached all the time (always_hooked)",
        Hooking::OnDemand => {
            "those that fire in each page fault are attached only while memory is reclaimed or \
             swapped, or not at all (always_hooked, --always)"
        }
    };
    fact("hooks", Standing::Good, finding)
}

/// How processes of VMs are looked at in each sample. `unread`: why the kernel side doesn't;
/// `files`: those of cgroups that it reads nothing of.
pub(super) fn processes(unread: Option<&str>, files: &[&str]) -> Fact {
    match unread {
        None if files.is_empty() => {
            fact("processes", Standing::Good, "of VMs are read in one pass of a BPF iterator")
        }
        None => {
            let files = files.join(", ");
            let finding = format!("of VMs are read in one pass of a BPF iterator, but for {files}");
            fact("processes", Standing::Note, finding)
        }
        Some(reason) => {
            let finding = format!("of VMs are read from files, which takes longer: {reason}");
            fact("processes", Standing::Note, finding)
        }
    }
}

fn type_information(root: &HostRoot) -> Fact {
    let path = root.sys.join("kernel/btf/vmlinux");
    match std::fs::File::open(&path) {
        Ok(_) => fact("BTF", Standing::Good, path.display().to_string()),
        Err(error) => fact(
            "BTF",
            Standing::Poor,
            format!(
                "{}: {error}; most signals need the kernel's type information \
                 (CONFIG_DEBUG_INFO_BTF)",
                path.display()
            ),
        ),
    }
}

fn capabilities(effective: Option<u64>) -> Fact {
    let name = "capabilities";
    let Some(effective) = effective else {
        return fact(name, Standing::Poor, "unknown: no CapEff in /proc/self/status");
    };
    let missing: Vec<&str> =
        privileges::missing(effective).into_iter().map(Capability::name).collect();
    if missing.is_empty() {
        return fact(name, Standing::Good, "all required capabilities present");
    }
    let missing = missing.join(", ");
    fact(name, Standing::Bad, format!("missing {missing}; run `sudo memtrace doctor`"))
}

fn tracefs(root: &HostRoot) -> Fact {
    let is_mounted = |table: &str| table.lines().any(|line| line.contains(" - tracefs "));
    let finding = match mounts(&root.proc) {
        Ok(table) if is_mounted(&table) => "mounted",
        Ok(_) => "not mounted",
        Err(_) => "not known whether it is mounted",
    };
    fact("tracefs", Standing::Note, format!("{finding}; memtrace does not need it"))
}

fn cgroups(root: &HostRoot) -> Fact {
    let mounts = &root.cgroups;
    match (&mounts.memory, &mounts.unified) {
        (Some(memory), Some(_)) => fact(
            "cgroups",
            Standing::Good,
            format!("hybrid; memory is version 1 at {}", memory.point.display()),
        ),
        (Some(memory), None) => {
            fact("cgroups", Standing::Good, format!("version 1 at {}", memory.point.display()))
        }
        (None, Some(unified)) => {
            fact("cgroups", Standing::Good, format!("version 2 at {}", unified.point.display()))
        }
        (None, None) => {
            fact("cgroups", Standing::Poor, "no hierarchy with the memory controller is mounted")
        }
    }
}

fn swap(root: &HostRoot) -> Fact {
    match swaps::read(root) {
        Ok(devices) if devices.is_empty() => {
            fact("swap", Standing::Note, "none; anonymous memory cannot be swapped out")
        }
        Ok(devices) => {
            let total =
                devices.iter().fold(Bytes(0), |sum, device| sum.saturating_add(device.size));
            let paths: Vec<&str> =
                devices.iter().take(MOST_DEVICES).map(|device| device.path.as_str()).collect();
            let more = if devices.len() > paths.len() { ", ..." } else { "" };
            let size = format::bytes(total, 5);
            fact("swap", Standing::Good, format!("{size} on {}{more}", paths.join(", ")))
        }
        Err(error) => fact("swap", Standing::Poor, format!("unknown: /proc/swaps: {error}")),
    }
}

fn pressure(root: &HostRoot) -> Fact {
    match psi::read(&root.proc.join("pressure/memory")) {
        Ok(_) => {
            let window = |trigger: psi::Trigger| trigger.window().as_secs();
            let told = match psi::Trigger::open(&root.proc.join("pressure/memory")).map(window) {
                Ok(seconds) => format!("on, notifies within {seconds} s"),
                Err(error) => format!("on, polled every tick: no triggers: {error}"),
            };
            fact("PSI", Standing::Good, told)
        }
        Err(error) => {
            fact("PSI", Standing::Poor, format!("off: {error}; boot with psi=1 to enable it"))
        }
    }
}

/// Sockets of the QEMU driver: its own daemon's, and that of the one for all drivers.
const LIBVIRT_SOCKETS: [&str; 2] = ["run/libvirt/virtqemud-sock", "run/libvirt/libvirt-sock"];

/// `helper`: whether memtrace-libvirt runs, or why not.
fn libvirt(root: &HostRoot, helper: &Result<(), String>) -> Fact {
    let host = root.proc.parent().unwrap_or(Path::new("/"));
    let answers: Vec<Result<(), Errno>> = LIBVIRT_SOCKETS
        .iter()
        .map(|socket| host.join(socket))
        .filter(|socket| socket.exists())
        .map(|socket| connect(&socket))
        .collect();
    let reachable = answers.iter().any(Result::is_ok);
    let refusal = answers.into_iter().find_map(Result::err);
    let (standing, finding) = match (helper, reachable, refusal) {
        (Ok(()), true, _) => (Standing::Good, "reachable".into()),
        (Ok(()), false, Some(error)) => (Standing::Poor, format!("unreachable: {error}")),
        (Ok(()), false, None) => (Standing::Note, "no libvirt on this host".into()),
        (Err(why), true, _) => (Standing::Poor, format!("{why}; its VMs have no guest statistics")),
        (Err(why), false, _) => (Standing::Note, format!("no libvirt on this host, and {why}")),
    };
    fact("libvirt", standing, finding)
}

/// Whether there is a listener. Does not block.
fn connect(socket: &Path) -> Result<(), Errno> {
    let address = SocketAddrUnix::new(socket)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let end = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&end, &address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_host::hostfs::fake::FakeHost;

    fn standing(host: &FakeHost, name: &str) -> Standing {
        let facts = facts(&host.root());
        facts.iter().find(|fact| fact.name == name).expect("it was looked at").standing
    }

    #[test]
    fn an_empty_host_lacks_much_and_nothing_fails() {
        let host = FakeHost::new("");
        for name in ["kernel", "BTF", "capabilities", "cgroups", "swap", "PSI"] {
            assert_eq!(standing(&host, name), Standing::Poor, "{name}");
        }
    }

    #[test]
    fn a_complete_host_is_good() {
        let host = FakeHost::unified();
        host.file("proc/sys/kernel/osrelease", "6.18.44\n");
        host.file("sys/kernel/btf/vmlinux", "");
        host.file("proc/self/status", "CapEff:\tffffffffffffffff\n");
        host.file("proc/swaps", "Filename Type Size Used Priority\n/swap file 1048576 0 -2\n");
        host.file("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
        for name in ["kernel", "BTF", "capabilities", "cgroups", "swap", "PSI"] {
            assert_eq!(standing(&host, name), Standing::Good, "{name}");
        }
    }

    #[test]
    fn missing_capabilities_are_named_and_bad() {
        let fact = capabilities(Some(0));
        assert_eq!(fact.standing, Standing::Bad);
        assert!(fact.finding.contains("CAP_BPF") && fact.finding.contains("sudo"), "{fact:?}");
    }

    #[test]
    fn processes_are_read_from_files_for_a_reason() {
        assert_eq!(processes(None, &[]).standing, Standing::Good);
        let part = processes(None, &["memory.failcnt", "memory.events"]);
        assert!(part.finding.ends_with("but for memory.failcnt, memory.events"), "{part:?}");
        let fact = processes(Some("this kernel has no function f"), &[]);
        assert_eq!(fact.standing, Standing::Note);
        assert!(fact.finding.ends_with("longer: this kernel has no function f"), "{fact:?}");
    }

    #[test]
    fn tracefs_is_never_a_lack() {
        for mountinfo in ["", "30 23 0:26 / /sys/kernel/tracing rw - tracefs tracefs rw\n"] {
            assert_eq!(standing(&FakeHost::new(mountinfo), "tracefs"), Standing::Note);
        }
    }

    #[test]
    fn libvirt_is_reachable_if_its_socket_accepts() {
        let host = FakeHost::unified();
        let helper = |runs: bool| runs.then_some(()).ok_or("it is not installed".to_owned());
        let standing = |runs| libvirt(&host.root(), &helper(runs)).standing;
        assert_eq!([standing(true), standing(false)], [Standing::Note, Standing::Note]);

        host.file("run/libvirt/other", "");
        let path = host.path("run/libvirt/libvirt-sock");
        let listener = std::os::unix::net::UnixListener::bind(path).expect("it listens");
        assert_eq!([standing(true), standing(false)], [Standing::Good, Standing::Poor]);

        drop(listener);
        assert_eq!([standing(true), standing(false)], [Standing::Poor, Standing::Note]);
    }
}
