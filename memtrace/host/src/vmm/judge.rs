//! The rules by which a process is a VM. Scheduling of scans is in [`super::discover`].
//!
//! A VM is a process that holds a KVM guest, whatever it is called, or a QEMU system
//! emulator that has a machine, so that TCG guests are found too.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use super::qemu::config::LONGEST;
use super::qemu::{Libvirt, QemuCommand, is_system_emulator};
use super::{aside, name};
use crate::hostfs::process::fds::KvmFds;
use crate::hostfs::process::sight::{self, Start};
use crate::hostfs::process::{self, Arguments, ProcessStat};
use crate::hostfs::{HostRoot, boot_time};
use memtrace_core::sample::Accelerator;

/// Commands of VMMs, cut to 15 bytes, as the kernel does.
pub const CLOUD_HYPERVISOR: &str = "cloud-hyperviso";
pub const FIRECRACKER: &str = "firecracker";

/// Commands that make KVM guests. They are looked at more often; other programs are found as well,
/// only later.
const KNOWN_VMMS: &[&str] =
    &[CLOUD_HYPERVISOR, "crosvm", "dragonball", FIRECRACKER, "lkvm", "stratovirt"];

/// The hidden command by which memtrace's self-test runs its guests.
pub const SELFTEST_GUEST: &str = "__selftest-guest";

/// Most arguments that are kept of a VMM that isn't QEMU, and most characters of one.
const MOST_ARGUMENTS: usize = 256;
const LONGEST_ARGUMENT: usize = 256;

/// For all the files that a VM was started with.
const PATIENCE: Duration = Duration::from_millis(250);
/// The moment of the boot is told in whole seconds.
const ROUNDING: Duration = Duration::from_secs(2);
/// Where the host's libvirt has its sockets, and what that is in.
const OF_LIBVIRT: [&str; 2] = ["/run/libvirt", "/run"];
const CHANGED: &str = "it has changed since the VM was started";

/// What a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Vm(Box<Description>),
    /// It is called like a VMM, or has /dev/kvm open: look again soon.
    NotYet,
    No,
}

/// A VM as its process describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Sanitised for display.
    pub name: String,
    pub uuid: Option<Uuid>,
    /// The command, sanitised for display.
    pub vmm: String,
    /// File name of the program.
    pub program: String,
    /// `None`: unknown (yet).
    pub accelerator: Option<Accelerator>,
    /// It holds a guest of KVM, as the kernel shows.
    pub kvm: bool,
    /// It has a passed-through device. `None`: not known.
    pub vfio: Option<bool>,
    /// Of a VMM that isn't QEMU, and whose arguments have another form.
    pub arguments: Vec<String>,
    /// `None`: not QEMU.
    pub qemu: Option<QemuCommand>,
}

impl Description {
    /// Of a process that is no VM by the rules, and taken for one.
    pub fn of_process(pid: u32, stat: &ProcessStat) -> Self {
        let vmm = name::display(&stat.comm);
        Self {
            name: format!("{vmm}-{pid}"),
            uuid: None,
            vmm,
            program: stat.comm.clone(),
            accelerator: None,
            kvm: false,
            vfio: None,
            arguments: Vec::new(),
            qemu: None,
        }
    }

    /// Whether `other` is this one, but for its name, which would be `name`.
    pub fn is_the_same_called(&self, other: &Self, name: &str) -> bool {
        let Self { name: _, uuid, vmm, program, accelerator, kvm, vfio, arguments, qemu } = other;
        self.name == name
            && (&self.uuid, &self.accelerator, &self.kvm, &self.vfio)
                == (uuid, accelerator, kvm, vfio)
            && (&self.vmm, &self.program, &self.arguments, &self.qemu)
                == (vmm, program, arguments, qemu)
    }

    /// Whether its guest's memory is encrypted, and so pinned; `None`: not known.
    pub fn is_encrypted(&self) -> Option<bool> {
        let says_so = || self.arguments.iter().any(|argument| encrypts(argument)).then_some(true);
        self.qemu.as_ref().map_or_else(says_so, QemuCommand::is_encrypted)
    }

    /// How its process was started, for the paths of its command line.
    pub fn start(&self) -> Start {
        self.qemu.as_ref().map(start).unwrap_or_default()
    }
}

/// Of Cloud Hypervisor (`--platform`) and crosvm.
fn encrypts(argument: &str) -> bool {
    argument.split(',').any(|part| part.ends_with("tdx=on") || part.ends_with("sev_snp=on"))
        || argument.starts_with("--protected-vm")
}

fn start(qemu: &QemuCommand) -> Start {
    let directories = qemu.directories.clone();
    Start { chroot: qemu.chroot, daemon: qemu.daemonize, directories }
}

/// What the rules look at.
#[derive(Debug)]
struct Facts<'a> {
    root: &'a HostRoot,
    pid: u32,
    /// The user to whom the process counts. `None`: not known.
    user: Option<u32>,
    stat: &'a ProcessStat,
    program: String,
    arguments: Arguments,
    /// `None`: its descriptors are not for us to see.
    kvm: Option<KvmFds>,
}

/// A judgement, and whether it was made without seeing the process's descriptors.
#[derive(Debug)]
pub struct Judged {
    pub judgement: Judgement,
    pub blind: bool,
}

/// Whether the process can't be a VM, whatever files it has.
pub fn is_none(stat: &ProcessStat) -> bool {
    stat.kernel_thread || stat.exiting || stat.is_zombie()
}

/// Reads the files of process `pid`, which is attributed to `user`, and judges it. `kvm`: its
/// descriptors; `None`: they are not readable.
///
/// # Errors
/// When the process is gone, or its command line doesn't come in time.
pub fn judge(
    root: &HostRoot,
    pid: u32,
    user: Option<u32>,
    stat: &ProcessStat,
    kvm: Option<KvmFds>,
) -> io::Result<Judged> {
    if is_none(stat) {
        return Ok(Judged { judgement: Judgement::No, blind: false });
    }
    let seen = process::program(root, pid);
    let named = is_system_emulator(seen.as_deref().unwrap_or(&stat.comm));
    // Of most processes the command line doesn't matter.
    let holds_guest = kvm.is_some_and(|kvm| kvm.vm);
    let arguments = if named || holds_guest || seen.is_none() {
        aside::arguments_of(root, pid, user)?
    } else {
        Arguments::default()
    };
    let program = seen
        .or_else(|| arguments.list.first()?.rsplit('/').next().map(str::to_owned))
        .unwrap_or_else(|| stat.comm.clone());
    let facts = Facts { root, pid, user, stat, program, arguments, kvm };
    Ok(Judged { blind: kvm.is_none(), judgement: facts.judge() })
}

impl Facts<'_> {
    fn judge(self) -> Judgement {
        let kvm = self.kvm.unwrap_or_default();
        if is_system_emulator(&self.program) {
            return self.qemu();
        }
        if kvm.vm && self.is_of_another_selftest() {
            return Judgement::No;
        }
        if kvm.vm {
            return Judgement::Vm(Box::new(self.describe(None, Some(Accelerator::Kvm))));
        }
        let comm = self.stat.comm.as_str();
        if kvm.device || KNOWN_VMMS.contains(&comm) || is_system_emulator(comm) {
            return Judgement::NotYet;
        }
        Judgement::No
    }

    /// A guest of another memtrace's self-test is no VM of the host's. A command line alone would
    /// let any user hide a VM, so it has to belong to root or our own user, and to no container.
    fn is_of_another_selftest(&self) -> bool {
        let is_guest = self.arguments.list.get(1).is_some_and(|command| command == SELFTEST_GUEST);
        let own = rustix::process::geteuid().as_raw();
        let is_trusted = || {
            process::user_on_host(self.root, self.pid).is_some_and(|user| user == 0 || user == own)
        };
        is_guest && self.stat.parent != std::process::id() && is_trusted()
    }

    fn qemu(self) -> Judgement {
        let Some((_, arguments)) = self.arguments.list.split_first() else {
            return Judgement::NotYet;
        };
        let mut command = QemuCommand::parse(arguments);
        if command.probe_only {
            return Judgement::No;
        }
        // Before the first of its threads: it is just being forked.
        if command.daemonize && self.stat.threads == 1 && !self.kvm.is_some_and(|kvm| kvm.vm) {
            return Judgement::NotYet;
        }
        if command.unread.is_some() {
            command = self.with_files(arguments, &start(&command));
        }
        if self.arguments.cut {
            command.doubt("its command line is too long".to_owned());
        }
        if command.libvirt.is_some_and(|libvirt| self.is_elsewhere(libvirt, &start(&command))) {
            command.libvirt = Some(Libvirt::Contained);
        }
        let accelerator = match self.kvm {
            Some(KvmFds { vm: true, .. }) => Some(Accelerator::Kvm),
            Some(_) => command.accelerator().filter(|&wanted| wanted == Accelerator::Tcg),
            None => command.accelerator(),
        };
        Judgement::Vm(Box::new(self.describe(Some(command), accelerator)))
    }

    /// Whether its libvirt is in a container: of processes of its own, or one that shares those of
    /// the host and where the host's libvirt isn't to be seen. Without an answer it isn't known to.
    fn is_elsewhere(&self, libvirt: Libvirt, start: &Start) -> bool {
        if process::is_contained(self.root, self.pid) == Some(true) {
            return true;
        }
        if libvirt != Libvirt::System {
            return false;
        }
        let Some(host) = self.root.proc.parent().map(Path::to_owned) else { return false };
        let (process, start) = (self.root.process(self.pid), start.clone());
        let look = move || Ok(process::has_own(&host, &process, &start, &OF_LIBVIRT));
        aside::within(PATIENCE, self.user, look).unwrap_or(false)
    }

    /// With the files of `-readconfig`, as they were when it was started.
    fn with_files(&self, arguments: &[String], start: &Start) -> QemuCommand {
        let process = self.root.process(self.pid);
        let begun = boot_time(self.root).zip(process::since_boot(self.stat.start));
        let begun = begun.map(|(boot, since)| boot + since + ROUNDING);
        let user = self.user;
        let asked = Instant::now();
        QemuCommand::with_files(arguments, |path| {
            let (process, path, start) = (process.clone(), path.to_owned(), start.clone());
            let patience = PATIENCE.saturating_sub(asked.elapsed());
            aside::within(patience, user, move || {
                let read = sight::text(&process, &path, &start, LONGEST);
                let (file, text) = read.map_err(|error| error.to_string())?;
                is_older(&file, begun).then_some(text).ok_or_else(|| CHANGED.to_owned())
            })
        })
    }

    fn describe(self, qemu: Option<QemuCommand>, accelerator: Option<Accelerator>) -> Description {
        let vmm = name::display(&self.stat.comm);
        let name = match qemu.as_ref().and_then(|qemu| qemu.name.as_deref()) {
            Some(name) => name::display(name),
            None => format!("{vmm}-{}", self.pid),
        };
        let uuid = qemu.as_ref().and_then(|qemu| qemu.uuid);
        let seen = self.kvm.unwrap_or_default();
        let passes = qemu.as_ref().and_then(QemuCommand::passes_through);
        Description {
            name,
            uuid,
            vmm,
            program: self.program,
            accelerator,
            kvm: seen.vm,
            vfio: if seen.vfio { Some(true) } else { passes },
            arguments: if qemu.is_some() { Vec::new() } else { kept(&self.arguments) },
            qemu,
        }
    }
}

/// What is kept for naming a VM, as long as its process lives.
fn kept(arguments: &Arguments) -> Vec<String> {
    let beginning = |argument: &String| argument.chars().take(LONGEST_ARGUMENT).collect();
    arguments.list.iter().take(MOST_ARGUMENTS).map(beginning).collect()
}

/// Whether the file was written before the process was started; a newer one is another VM's
/// configuration, or what this one gets at its next start. Without a clock none is newer.
fn is_older(file: &File, begun: Option<SystemTime>) -> bool {
    let Some(begun) = begun else { return true };
    let written = file.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written <= begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_vmms_say_that_they_encrypt_and_never_that_they_dont() {
        let of = |arguments: &[&str]| {
            let mut description = Description::of_process(7, &ProcessStat::default());
            description.arguments = arguments.iter().map(|&one| one.to_owned()).collect();
            description.is_encrypted()
        };
        assert_eq!(of(&["ch", "--platform", "num_pci_segments=1,sev_snp=on"]), Some(true));
        assert_eq!(of(&["ch", "--platform", "tdx=on"]), Some(true));
        assert_eq!(of(&["crosvm", "run", "--protected-vm-without-firmware"]), Some(true));
        assert_eq!(of(&["crosvm", "run", "--unprotected-vm-with-firmware", "/f"]), None);
        assert_eq!(of(&["firecracker", "--id", "a"]), None);
    }
}
