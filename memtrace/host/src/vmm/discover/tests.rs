//! Fake hosts with VMs of all kinds.

use super::*;
use crate::hostfs::fake::{FakeHost, FakeProcess};

const UUID: &str = "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111";
const QEMU: FakeProcess<'static> = FakeProcess {
    pid: 50,
    parent: 1,
    start: 777,
    comm: "qemu-system-x86",
    program: "/usr/bin/qemu-system-x86_64",
    arguments: &["/usr/bin/qemu-system-x86_64", "-accel", "tcg", "-name", "a b", "-uuid", UUID],
    fds: &["/dev/null"],
    threads: 4,
    state: 'S',
    cgroup: "0::/\n",
};

const fn at(seconds: u64) -> Nanos {
    Nanos(1_000_000_000_000 + seconds * 1_000_000_000)
}

fn found(discovery: &Discovery) -> Vec<(u32, &str)> {
    discovery.vms().map(|vm| (vm.pid, vm.description.name.as_str())).collect()
}

#[test]
fn a_tcg_guest_is_found_by_its_command_line() {
    let host = FakeHost::unified();
    host.process(&FakeProcess::default());
    host.process(&QEMU);
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(found(&discovery), [(50, "a b")]);
    let vm = discovery.vms().next().unwrap();
    assert_eq!(vm.id, VmId::Uuid(UUID.parse().unwrap()));
    assert_eq!(vm.description.accelerator, Some(Accelerator::Tcg));
}

#[test]
fn any_holder_of_a_kvm_guest_is_a_vm_under_its_commands_name() {
    let host = FakeHost::unified();
    host.process(&FakeProcess {
        pid: 60,
        comm: "my\x1bvmm",
        fds: &["/dev/null", "/dev/kvm", "anon_inode:kvm-vm"],
        ..FakeProcess::default()
    });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(found(&discovery), [(60, "my\u{fffd}vmm-60")]);
    let vm = discovery.vms().next().unwrap();
    assert_eq!(vm.id, VmId::Process { pid: 60, start: 1000 });
    assert_eq!(vm.description.accelerator, Some(Accelerator::Kvm));
}

#[test]
fn tools_probes_and_launchers_are_no_vms() {
    let host = FakeHost::unified();
    let program = "/usr/bin/qemu-img";
    host.process(&FakeProcess { pid: 51, comm: "qemu-img", program, ..QEMU });
    let arguments = &["qemu-system-x86_64", "-S", "-machine", "none,accel=kvm:tcg"];
    host.process(&FakeProcess { pid: 52, arguments, fds: &["anon_inode:kvm-vm"], ..QEMU });
    let arguments = &["qemu-system-x86_64", "-daemonize"];
    host.process(&FakeProcess { pid: 53, arguments, threads: 1, ..QEMU });
    host.process(&FakeProcess { pid: 54, state: 'Z', ..QEMU });
    // A shell script called kvm, before it execs.
    host.process(&FakeProcess { pid: 55, comm: "kvm", ..FakeProcess::default() });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(found(&discovery), []);
    // Each scan looks at those that may become VMs.
    host.process(&FakeProcess { pid: 53, arguments, threads: 2, ..QEMU });
    host.process(&FakeProcess { pid: 55, start: 1000, ..QEMU });
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(found(&discovery), [(53, "qemu-system-x86-53"), (55, "a b")]);
}

#[test]
fn a_process_that_execs_is_found_within_seconds_and_a_young_one_at_once() {
    let host = FakeHost::unified();
    host.process(&FakeProcess { pid: 50, start: 777, ..FakeProcess::default() });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    host.process(&QEMU);
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(found(&discovery), [], "an old process is not read in each scan");
    discovery.scan(&host.root(), at(11)).unwrap();
    assert_eq!(found(&discovery).len(), 1);

    host.process(&FakeProcess { pid: 70, ..FakeProcess::default() });
    discovery.scan(&host.root(), at(20)).unwrap();
    host.process(&FakeProcess { pid: 70, start: 1000, ..QEMU });
    discovery.scan(&host.root(), at(21)).unwrap();
    assert_eq!(found(&discovery).len(), 2);
}

#[test]
fn an_event_makes_it_known_at_once() {
    let host = FakeHost::unified();
    host.process(&FakeProcess { pid: 50, start: 777, ..FakeProcess::default() });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.look_at(&host.root(), 50, at(0)), Sighting::No);
    host.process(&QEMU);
    assert_eq!(discovery.look_at(&host.root(), 50, at(0)), Sighting::Vm);
    assert_eq!(discovery.look_at(&host.root(), 99, at(0)), Sighting::No);
    assert_eq!(found(&discovery), [(50, "a b")]);
}

#[test]
fn the_first_keeps_the_uuid_and_a_copy_is_its_process() {
    let host = FakeHost::unified();
    host.process(&QEMU);
    host.process(&FakeProcess { pid: 51, start: 800, ..QEMU });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    let ids = |discovery: &Discovery| discovery.vms().map(|vm| vm.id).collect::<Vec<_>>();
    let before = ids(&discovery);
    assert_eq!(before.len(), 2);
    assert_eq!(before.iter().filter(|id| matches!(id, VmId::Uuid(_))).count(), 1);
    // Who goes and who stays doesn't change the other's identity.
    host.end(50);
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(ids(&discovery), before[1..]);
}

#[test]
fn a_fork_of_a_vm_is_not_a_second_vm() {
    let host = FakeHost::unified();
    host.process(&QEMU);
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    host.process(&FakeProcess { pid: 90, parent: 50, start: 900, ..QEMU });
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(found(&discovery), [(50, "a b")]);
}

#[test]
fn a_reused_pid_is_another_vm() {
    let host = FakeHost::unified();
    host.process(&QEMU);
    let root = host.root();
    let mut discovery = Discovery::default();
    discovery.scan(&root, at(0)).unwrap();
    let stat = process::stat(&root, 50).unwrap();
    assert!(discovery.confirm(50, Some(&stat)));
    let other = ProcessStat { start: 9999, ..stat };
    assert!(!discovery.confirm(50, Some(&other)));
    assert_eq!(found(&discovery), []);
    host.process(&FakeProcess { start: 9999, arguments: &["qemu-system-x86_64"], ..QEMU });
    discovery.scan(&root, at(1)).unwrap();
    assert_eq!(discovery.vms().next().unwrap().id, VmId::Process { pid: 50, start: 9999 });
}

#[test]
fn the_accelerator_is_reported_once_it_is_known() {
    let host = FakeHost::unified();
    let arguments = &["qemu-system-x86_64", "-machine", "q35,accel=kvm:tcg"];
    host.process(&FakeProcess { arguments, ..QEMU });
    let root = host.root();
    let accelerator =
        |discovery: &Discovery| discovery.vms().next().unwrap().description.accelerator;
    let mut discovery = Discovery::default();
    discovery.look_at(&root, 50, at(0));
    assert_eq!(accelerator(&discovery), None);
    host.process(&FakeProcess { arguments, fds: &["anon_inode:kvm-vm"], ..QEMU });
    discovery.scan(&root, at(1)).unwrap();
    assert_eq!(accelerator(&discovery), Some(Accelerator::Kvm));

    let mut discovery = Discovery::default();
    host.link("proc/50/fd/0", "/dev/null");
    discovery.look_at(&root, 50, at(0));
    discovery.scan(&root, at(11)).unwrap();
    assert_eq!(accelerator(&discovery), Some(Accelerator::Tcg), "it fell back");
}

#[test]
fn unreadable_descriptors_leave_the_command_line() {
    let host = FakeHost::unified();
    let arguments = &["/usr/bin/qemu-system-x86_64", "-accel", "kvm"];
    host.process(&FakeProcess { arguments, ..QEMU });
    std::fs::remove_dir_all(host.path("proc/50/fd")).unwrap();
    host.file("proc/50/fd", "not a directory");
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.blind(), 1);
    let vm = discovery.vms().next().unwrap();
    assert_eq!(vm.description.accelerator, Some(Accelerator::Kvm));
}

#[test]
fn a_process_that_is_included_is_a_vm_for_as_long_as_it_lives() {
    let host = FakeHost::unified();
    host.process(&FakeProcess { pid: 60, ..FakeProcess::default() });
    let root = host.root();
    let mut discovery = Discovery::default();
    discovery.scan(&root, at(0)).unwrap();
    assert_eq!(discovery.vms().count(), 0);
    discovery.include(60);
    for second in 1..20 {
        discovery.scan(&root, at(second)).unwrap();
        let stat = crate::hostfs::process::stat(&root, 60).unwrap();
        assert!(discovery.confirm(60, Some(&stat)), "second {second}");
        assert_eq!(discovery.vms().next().unwrap().description.name, "sh-60");
    }
    assert!(!discovery.confirm(60, None));
    host.process(&FakeProcess { pid: 60, start: 2000, ..FakeProcess::default() });
    discovery.scan(&root, at(20)).unwrap();
    assert_eq!(discovery.vms().count(), 0, "another process with the same id");
}
