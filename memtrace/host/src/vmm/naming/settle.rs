//! Takes names from VMs that bear another's: as `vm_choice` rules, whatever the name is there.

use crate::vmm::discover::{FoundVm, Worth, own_name};
use memtrace_core::sample::{VmId, VmLabels};
use memtrace_core::vm_choice::{Called, Word, usurped};

/// A VM's names, which may change.
#[derive(Debug)]
pub struct CalledVm<'a> {
    pub pid: u32,
    /// Its command.
    pub vmm: &'a str,
    /// Its process id is its identity.
    pub is_process: bool,
    pub worth: Worth,
    pub name: &'a mut String,
    pub labels: &'a mut VmLabels,
}

impl<'a> CalledVm<'a> {
    pub fn of(vm: &'a FoundVm, name: &'a mut String, labels: &'a mut VmLabels) -> Self {
        let is_process = matches!(vm.id, VmId::Process { .. });
        let (pid, vmm) = (vm.pid, &vm.description.vmm);
        Self { pid, vmm, is_process, worth: vm.worth(), name, labels }
    }

    fn called(&self) -> Called<'_, Worth> {
        let process = self.is_process.then_some(self.pid);
        Called { name: self.name, labels: self.labels, process, standing: self.worth }
    }
}

/// Leaves each name with those that have it by right. Returns what the operator should know.
pub fn settle(vms: &mut [CalledVm<'_>]) -> Vec<String> {
    let called: Vec<Called<'_, Worth>> = vms.iter().map(CalledVm::called).collect();
    let lost = usurped(&called);
    let mut notices = Vec::new();
    for one in lost {
        let owner = vms.get(one.owner).map(|owner| owner.pid).unwrap_or_default();
        let Some(vm) = vms.get_mut(one.vm) else { continue };
        let what = match one.word {
            Word::Name => {
                *vm.name = own_name(vm.vmm, vm.pid);
                "name"
            }
            Word::Process => continue,
            Word::Id => {
                vm.labels.id = None;
                "number"
            }
            Word::Title => {
                vm.labels.name = None;
                "name"
            }
            Word::PlatformTitle => {
                vm.labels.platform_name = None;
                "name"
            }
        };
        // The text has been made fit for display.
        let notice = format!(
            "process {} claims the {what} {} of another VM, process {owner}: it isn't called so",
            vm.pid, one.text
        );
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::{FakeHost, FakeProcess, QEMU};
    use crate::vmm::discover::Discovery;
    use memtrace_core::units::Nanos;

    #[test]
    fn a_strangers_vm_takes_no_name_of_roots() {
        let host = FakeHost::unified();
        let arguments = &["kvm", "-name", "db", "-id", "2207"];
        host.process(&FakeProcess { arguments, cgroup: "0::/qemu.slice/2207.scope\n", ..QEMU });
        let arguments = &["kvm", "-name", "Archive"];
        host.process(&FakeProcess { pid: 40, start: 1, user: 1000, arguments, ..QEMU });
        let mut discovery = Discovery::default();
        discovery.scan(&host.root(), Nanos(0)).unwrap();
        let found: Vec<&FoundVm> = discovery.vms().map(AsRef::as_ref).collect();
        let mut names: Vec<String> = found.iter().map(|vm| vm.description.name.clone()).collect();
        let archive = VmLabels { name: Some("Archive".to_owned()), ..VmLabels::default() };
        let number = VmLabels { id: Some("2207".to_owned()), ..VmLabels::default() };
        let mut labels =
            [VmLabels { name: Some("db".to_owned()), ..number.clone() }, archive.or(number)];
        let vms = found.iter().zip(names.iter_mut().zip(&mut labels));
        let mut called: Vec<CalledVm<'_>> =
            vms.map(|(vm, (name, labels))| CalledVm::of(vm, name, labels)).collect();
        let notices = settle(&mut called);
        assert_eq!(names, ["qemu-system-x86-40", "db"]);
        assert_eq!(labels[0], VmLabels::default());
        assert_eq!(labels[1].name.as_deref(), Some("Archive"));
        let told = |text: &str| notices.iter().any(|notice| notice.contains(text));
        assert!(told("process 40 claims the number 2207 of another VM, process 50"), "{notices:?}");
        assert!(told("the name Archive") && told("the name db"), "{notices:?}");
        assert_eq!(notices.len(), 3, "{notices:?}");
    }
}
