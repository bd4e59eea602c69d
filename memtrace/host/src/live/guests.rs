//! Guest information from libvirt where it manages the VM, else from QMP.

use super::options::LiveOptions;
use crate::hostfs::HostRoot;
use crate::vmm::discover::FoundVm;
use crate::vmm::guest::GuestAnswer;
use crate::vmm::hypervisors::Hypervisors;
use crate::vmm::libvirt::{self, Libvirt};
use crate::vmm::qemu;
use crate::vmm::qmp::{QmpClients, Target};
use memtrace_core::sample::Manager;

#[derive(Debug)]
pub(super) struct Guests {
    options: LiveOptions,
    libvirt: Libvirt,
    qmp: QmpClients,
}

impl Guests {
    pub(super) fn new(options: LiveOptions) -> Self {
        Self { options, libvirt: Libvirt::default(), qmp: QmpClients::default() }
    }

    /// Starts polling this VM. Cheap when it is polled already.
    pub(super) fn follow(&mut self, root: &HostRoot, vm: &FoundVm) {
        match manager(vm) {
            Manager::Libvirt if self.options.libvirt => {
                if let Ok(target) = libvirt::Target::of(root, vm) {
                    self.libvirt.follow(&target);
                }
            }
            Manager::Qmp if self.options.qmp => {
                if let Some(target) = Target::of(root, vm) {
                    self.qmp.follow(vm.pid, target);
                }
            }
            _ => {}
        }
    }

    /// Stops polling this VM, which goes on. Cheap when it isn't polled.
    pub(super) fn leave(&mut self, root: &HostRoot, vm: &FoundVm) {
        self.qmp.forget(vm.pid);
        if let Ok(target) = libvirt::Target::of(root, vm) {
            self.libvirt.leave(&target);
        }
    }

    pub(super) fn forget(&mut self, pid: u32) {
        self.qmp.forget(pid);
        self.libvirt.forget(pid);
    }

    pub(super) fn hypervisors(&self) -> Hypervisors {
        Hypervisors { qmp: self.qmp.orders(), libvirt: self.libvirt.orders() }
    }

    /// The last answer. Never blocks.
    pub(super) fn answer(&self, root: &HostRoot, vm: &FoundVm) -> GuestAnswer {
        let switched_off =
            || GuestAnswer::problem("queries are disabled (--no-libvirt, or the configuration)");
        match manager(vm) {
            Manager::Libvirt if !self.options.libvirt => switched_off(),
            Manager::Libvirt => match libvirt::Target::of(root, vm) {
                Ok(target) => self.libvirt.answer(&target),
                Err(why) => GuestAnswer::problem(format!("libvirt: {why}")),
            },
            Manager::Qmp if !self.options.qmp => switched_off(),
            Manager::Qmp => self.qmp.answer(vm.pid),
            Manager::None => GuestAnswer::problem(qemu::no_monitor(vm.description.qemu.as_ref())),
        }
    }

    /// The problem with libvirt, if a VM needs it.
    pub(super) fn problem(&self) -> Option<String> {
        self.libvirt.problem()
    }
}

/// The interface to its balloon. libvirt goes first, as it holds the QMP socket of its VMs.
pub(super) fn manager(vm: &FoundVm) -> Manager {
    match &vm.description.qemu {
        Some(qemu) => match qemu.libvirt {
            Some(_) => Manager::Libvirt,
            None if qemu.qmp_sockets.is_empty() => Manager::None,
            None => Manager::Qmp,
        },
        None => Manager::None,
    }
}
