//! Guest information from libvirt where it manages the VM, else from QMP.

use super::options::LiveOptions;
use crate::hostfs::HostRoot;
use crate::vmm::discover::FoundVm;
use crate::vmm::guest::GuestAnswer;
use crate::vmm::hypervisors::Hypervisors;
use crate::vmm::libvirt::Libvirt;
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
                if let Some(uuid) = vm.description.uuid {
                    self.libvirt.follow(uuid);
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
    pub(super) fn leave(&mut self, vm: &FoundVm) {
        self.qmp.forget(vm.pid);
        if let Some(uuid) = vm.description.uuid {
            self.libvirt.leave(uuid);
        }
    }

    pub(super) fn forget(&mut self, pid: u32) {
        self.qmp.forget(pid);
    }

    pub(super) fn hypervisors(&self) -> Hypervisors {
        Hypervisors { qmp: self.qmp.orders(), libvirt: self.libvirt.orders() }
    }

    /// The last answer. Never blocks.
    pub(super) fn answer(&self, vm: &FoundVm) -> GuestAnswer {
        let switched_off =
            || GuestAnswer::problem("queries are disabled (--no-libvirt, or the configuration)");
        match manager(vm) {
            Manager::Libvirt if !self.options.libvirt => switched_off(),
            Manager::Libvirt => match vm.uuid {
                Some(uuid) => self.libvirt.answer(uuid, vm.pid),
                None => GuestAnswer::problem(NO_UUID),
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

const NO_UUID: &str = "libvirt: the VM has no UUID on its command line, or another VM's";

/// The interface to its balloon. libvirt goes first, as it holds the QMP socket of its VMs.
pub(super) fn manager(vm: &FoundVm) -> Manager {
    match &vm.description.qemu {
        Some(qemu) => match qemu.libvirt {
            Some(qemu::Libvirt::System) => Manager::Libvirt,
            Some(qemu::Libvirt::Session | qemu::Libvirt::Contained) => Manager::None,
            None if qemu.qmp_sockets.is_empty() => Manager::None,
            None => Manager::Qmp,
        },
        None => Manager::None,
    }
}
