//! Orders to VMs of each kind: one that obeys, some without a usable interface, one that hangs.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::hostfs::fake::FakeHost;
use crate::vmm::qmp::QmpClients;
use crate::vmm::qmp::fake::{ACTUAL, Monitor, obedient};
use memtrace_core::fixture::{snapshot, vm};
use memtrace_core::model::snapshot::VmView;
use memtrace_core::order::Failure;

const TO: Bytes = Bytes(100 << 20);

fn managed(name: &str, pid: u32, manager: Manager) -> VmView {
    VmView { manager, ..vm(name, pid) }
}

fn actuator(clients: &QmpClients, vms: Vec<VmView>) -> HostActuator {
    let hypervisors = Hypervisors { qmp: clients.orders(), ..Hypervisors::default() };
    let mut actuator = HostActuator::new(FakeHost::unified().root(), hypervisors);
    actuator.learn(&snapshot(vms));
    actuator
}

fn order(id: u64, vm: &VmView) -> Order {
    let action = Action::Balloon { from: Bytes(ACTUAL), to: TO };
    Order { id, vm: vm.id, pid: vm.pid, name: vm.name.clone(), action }
}

/// The text of a failure.
fn reported(result: &Result<(), Failure>) -> &str {
    match result {
        Err(Failure::Reported(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn ended(actuator: &mut HostActuator, count: usize) -> BTreeMap<u64, Result<(), Failure>> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut all = BTreeMap::new();
    while all.len() < count {
        all.extend(actuator.ended().into_iter().map(|outcome| (outcome.id, outcome.result)));
        assert!(Instant::now() < deadline, "only {all:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
    all
}

#[test]
fn a_balloon_is_moved_by_who_answers_for_it_and_a_hung_one_delays_no_other() {
    let actual = Arc::new(AtomicU64::new(ACTUAL));
    let good = Monitor::serial(obedient(&actual));
    let silent = Monitor::serial(|stream| {
        let _ = BufReader::new(stream).lines().count();
    });
    let mut clients = QmpClients::default();
    clients.follow(1, silent.target());
    clients.follow(2, good.target());
    let vms = [managed("hung", 1, Manager::Qmp), managed("good", 2, Manager::Qmp)];
    let mut actuator = actuator(&clients, vms.to_vec());
    let begun = Instant::now();
    actuator.begin(&order(1, &vms[0]));
    actuator.begin(&order(2, &vms[1]));
    assert_eq!(ended(&mut actuator, 1), [(2, Ok(()))].into());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(actual.load(Ordering::Relaxed), TO.0);
    actuator.begin(&order(3, &vms[0]));
    let rest = ended(&mut actuator, 2);
    assert!(reported(&rest[&1]).contains("no greeting"), "{rest:?}");
    assert!(reported(&rest[&3]).contains("order 1 "), "{rest:?}");
}

#[test]
fn an_order_to_a_vm_without_interface_fails() {
    let owned = managed("owned", 3, Manager::Libvirt);
    let nameless = VmView { uuid: None, ..managed("nameless", 4, Manager::Libvirt) };
    let alone = managed("alone", 5, Manager::None);
    let unfollowed = managed("unfollowed", 6, Manager::Qmp);
    let gone = managed("gone", 7, Manager::Qmp);
    let known = [&owned, &nameless, &alone, &unfollowed].map(Clone::clone).to_vec();
    let mut actuator = actuator(&QmpClients::default(), known);
    for (id, vm) in [(1, &owned), (2, &nameless), (3, &alone), (4, &unfollowed), (5, &gone)] {
        actuator.begin(&order(id, vm));
    }
    actuator.begin(&Order { pid: 99, ..order(6, &unfollowed) });
    let ended = ended(&mut actuator, 6);
    let errors: Vec<&str> = ended.values().map(reported).collect();
    assert_eq!(
        errors,
        [
            "libvirt: no query yet",
            "libvirt: the VM has no UUID on its command line",
            "no access to its balloon: neither libvirt nor a QMP socket",
            "QMP: no client for this VM",
            "the VM is gone",
            "the VM is gone",
        ]
    );
}
