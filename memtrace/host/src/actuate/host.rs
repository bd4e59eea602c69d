//! Actuator for this host's VMs: sets balloon targets through libvirt where it manages the VM, else
//! through QMP, and reclaims cold pages through the VM's cgroup. Never blocks; a hanging VM delays
//! no other.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Instant;

use uuid::Uuid;

use super::cgroup::CgroupReclaim;
use crate::actuate::in_flight::InFlight;
use crate::hostfs::HostRoot;
use crate::vmm::hypervisors::Hypervisors;
use crate::vmm::order::{Reply, SetBalloon};
use memtrace_core::model::Snapshot;
use memtrace_core::order::{Actuator, Order, Outcome};
use memtrace_core::policy::Action;
use memtrace_core::sample::{Manager, VmId};
use memtrace_core::units::Bytes;

/// Carries orders out on the host that memtrace runs on.
#[derive(Debug)]
pub struct HostActuator {
    hypervisors: Hypervisors,
    cgroups: CgroupReclaim,
    vms: BTreeMap<VmId, Vm>,
    in_flight: InFlight,
}

#[derive(Clone, Copy, Debug)]
struct Vm {
    pid: u32,
    uuid: Option<Uuid>,
    manager: Manager,
}

impl HostActuator {
    pub fn new(root: HostRoot, hypervisors: Hypervisors) -> Self {
        let cgroups = CgroupReclaim::new(root);
        Self { hypervisors, cgroups, vms: BTreeMap::new(), in_flight: InFlight::default() }
    }

    fn move_balloon(&self, vm: Vm, to: Bytes, reply: Reply) {
        let order = |reply| SetBalloon { to, reply };
        match (vm.manager, vm.uuid) {
            (Manager::Libvirt, Some(uuid)) => {
                self.hypervisors.libvirt.send(uuid, vm.pid, order(reply));
            }
            (Manager::Libvirt, None) => {
                reply.send(Err("libvirt: the VM has no UUID on its command line".to_owned()));
            }
            (Manager::Qmp, _) => self.hypervisors.qmp.send(vm.pid, order(reply)),
            (Manager::None, _) => {
                let text = "no access to its balloon: neither libvirt nor a QMP socket";
                reply.send(Err(text.to_owned()));
            }
        }
    }
}

impl Actuator for HostActuator {
    fn learn(&mut self, snapshot: &Snapshot) {
        let vms = snapshot.vms.iter();
        let vms = vms.map(|vm| (vm.id, Vm { pid: vm.pid, uuid: vm.uuid, manager: vm.manager }));
        self.vms = vms.collect();
    }

    fn begin(&mut self, order: &Order) {
        let Some(reply) = self.in_flight.open(order, Instant::now()) else { return };
        match (self.vms.get(&order.vm).filter(|vm| vm.pid == order.pid), order.action) {
            (None, _) => reply.send(Err("the VM is gone".to_owned())),
            (Some(&vm), Action::Balloon { to, .. }) => self.move_balloon(vm, to, reply),
            (Some(vm), Action::Reclaim { bytes }) => {
                self.cgroups.begin(order.vm, vm.pid, bytes, reply);
            }
        }
    }

    fn ended(&mut self) -> Vec<Outcome> {
        self.in_flight.ended(Instant::now())
    }
}
