//! The rules by which a process is a VM. Scheduling of scans is in [`super::discover`].
//!
//! A VM is a process that holds a KVM guest, whatever it is called, or a QEMU system
//! emulator that has a machine, so that TCG guests are found too.

use std::io;

use uuid::Uuid;

use super::name;
use super::qemu::{QemuCommand, is_system_emulator};
use crate::hostfs::HostRoot;
use crate::hostfs::process::fds::KvmFds;
use crate::hostfs::process::{self, ProcessStat};
use memtrace_core::sample::Accelerator;

/// Commands (cut to 15 bytes, as the kernel does) that make KVM guests. They are looked
/// at more often; other programs are found as well, only later.
const KNOWN_VMMS: &[&str] =
    &["cloud-hyperviso", "crosvm", "dragonball", "firecracker", "lkvm", "stratovirt"];

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
            qemu: None,
        }
    }
}

/// What the rules look at.
#[derive(Debug)]
struct Facts<'a> {
    pid: u32,
    stat: &'a ProcessStat,
    program: String,
    arguments: Vec<String>,
    /// `None`: its descriptors are not for us to see.
    kvm: Option<KvmFds>,
}

/// A judgement, and whether it was made without seeing the process's descriptors.
#[derive(Debug)]
pub struct Judged {
    pub judgement: Judgement,
    pub blind: bool,
}

/// Reads the files of process `pid` and judges.
///
/// # Errors
/// When the process is gone.
pub fn judge(root: &HostRoot, pid: u32, stat: &ProcessStat) -> io::Result<Judged> {
    if stat.kernel_thread || stat.exiting || stat.is_zombie() {
        return Ok(Judged { judgement: Judgement::No, blind: false });
    }
    let kvm = match process::fds::kvm(root, pid) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        kvm => kvm.ok(),
    };
    let seen = process::program(root, pid);
    let named = is_system_emulator(seen.as_deref().unwrap_or(&stat.comm));
    // Of most processes the command line doesn't matter.
    let holds_guest = kvm.is_some_and(|kvm| kvm.vm);
    let arguments = if named || holds_guest || seen.is_none() {
        process::arguments(root, pid)?
    } else {
        Vec::new()
    };
    let program = seen
        .or_else(|| arguments.first()?.rsplit('/').next().map(str::to_owned))
        .unwrap_or_else(|| stat.comm.clone());
    let facts = Facts { pid, stat, program, arguments, kvm };
    Ok(Judged { blind: kvm.is_none(), judgement: facts.judge() })
}

impl Facts<'_> {
    fn judge(self) -> Judgement {
        let kvm = self.kvm.unwrap_or_default();
        if is_system_emulator(&self.program) {
            return self.qemu();
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

    fn qemu(self) -> Judgement {
        let Some((_, arguments)) = self.arguments.split_first() else {
            return Judgement::NotYet;
        };
        let command = QemuCommand::parse(arguments);
        if command.probe_only {
            return Judgement::No;
        }
        // The process that was started waits for the one that it forked, single-threaded
        // (os-posix.c, os_daemonize); the VM has its RCU thread at least.
        if command.daemonize && self.stat.threads == 1 {
            return Judgement::NotYet;
        }
        let accelerator = match self.kvm {
            Some(KvmFds { vm: true, .. }) => Some(Accelerator::Kvm),
            Some(_) => {
                command.accelerator(&self.program).filter(|&wanted| wanted == Accelerator::Tcg)
            }
            None => command.accelerator(&self.program),
        };
        Judgement::Vm(Box::new(self.describe(Some(command), accelerator)))
    }

    fn describe(self, qemu: Option<QemuCommand>, accelerator: Option<Accelerator>) -> Description {
        let vmm = name::display(&self.stat.comm);
        let name = match qemu.as_ref().and_then(|qemu| qemu.name.as_deref()) {
            Some(name) => name::display(name),
            None => format!("{vmm}-{}", self.pid),
        };
        let uuid = qemu.as_ref().and_then(|qemu| qemu.uuid);
        Description { name, uuid, vmm, program: self.program, accelerator, qemu }
    }
}
