//! Fake hosts with VMs of all kinds.

mod hostile;

use super::*;
use crate::hostfs::fake::{self, FakeHost, FakeProcess};
use crate::vmm::judge::SELFTEST_GUEST;
use crate::vmm::qemu::Libvirt;
use memtrace_core::sample::Accelerator;
use memtrace_core::units::Bytes;

const UUID: &str = "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111";
const QEMU: FakeProcess<'static> = FakeProcess {
    arguments: &["/usr/bin/qemu-system-x86_64", "-accel", "tcg", "-name", "a b", "-uuid", UUID],
    ..fake::QEMU
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
fn a_vm_is_that_of_the_user_for_whom_root_started_it() {
    let host = FakeHost::unified();
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    host.process(&FakeProcess { pid: 50, start: 777, comm: "cron", ..FakeProcess::default() });
    discovery.scan(&host.root(), at(1)).unwrap();
    host.process(&FakeProcess { user: 1000, ..QEMU });
    discovery.scan(&host.root(), at(2)).unwrap();
    assert_eq!(discovery.vms().next().unwrap().user, Some(1000));
}

fn ids(discovery: &Discovery) -> Vec<(u32, VmId, bool)> {
    discovery.vms().map(|vm| (vm.pid, vm.id, vm.uuid.is_some())).collect()
}

fn uuid() -> VmId {
    VmId::Uuid(UUID.parse().unwrap())
}

#[test]
fn the_first_keeps_the_uuid_and_a_copy_gets_it_when_it_is_gone() {
    let host = FakeHost::unified();
    host.process(&QEMU);
    host.process(&FakeProcess { pid: 51, start: 800, ..QEMU });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    let copy = VmId::Process { pid: 51, start: 800 };
    // Nothing tells which is the real one, so what is configured for the UUID holds for both.
    assert_eq!(ids(&discovery), [(50, uuid(), true), (51, copy, true)]);
    assert!(discovery.disputes()[0].contains("processes 50 and 51 both have the UUID"));
    host.end(50);
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(ids(&discovery), [(51, uuid(), true)]);
    assert_eq!(discovery.disputes(), [""; 0]);
}

#[test]
fn who_only_says_a_uuid_and_a_name_has_neither() {
    let host = FakeHost::unified();
    let arguments = &["qemu-system-x86_64", "-name", "db", "-uuid", UUID];
    let claim = FakeProcess { pid: 40, start: 100, arguments, ..QEMU };
    host.process(&claim);
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(ids(&discovery), [(40, uuid(), true)], "nobody else says so");
    host.process(&FakeProcess { arguments, fds: &["anon_inode:kvm-vm"], ..QEMU });
    discovery.scan(&host.root(), at(1)).unwrap();
    let other = VmId::Process { pid: 40, start: 100 };
    assert_eq!(ids(&discovery), [(40, other, false), (50, uuid(), true)]);
    assert_eq!(found(&discovery), [(40, "qemu-system-x86-40"), (50, "db")]);
    assert!(discovery.disputes().iter().any(|text| text.contains("alone holds a guest of KVM")));
    host.process(&FakeProcess { cgroup: "0::/user.slice/user-7.slice/a\n", fds: KVM, ..claim });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(ids(&discovery), [(40, other, false), (50, uuid(), true)]);
    assert!(discovery.disputes().iter().any(|text| text.contains("in a user's session")));
}

#[test]
fn a_uuid_is_of_whoever_the_kernel_shows_to_be_trusted_however_late() {
    const ROOT: FakeProcess<'_> = FakeProcess { fds: KVM, ..QEMU };
    let other = FakeProcess { pid: 40, start: 100, user: 65534, ..ROOT };
    let scope = "0::/qemu.slice/2207.scope\n";
    let machine = "0::/machine.slice/machine-qemu\\x2d1\\x2da.scope/libvirt\n";
    let session = "0::/user.slice/user-1000.slice/a\n";
    for (first, late, reason) in [
        // He starts first, and holds a guest of KVM.
        (&other, &ROOT, "neither root's nor a service's"),
        (&other, &QEMU, "neither root's nor a service's"),
        (&other, &FakeProcess { user: 64055, ..QEMU }, "neither root's nor a service's"),
        (&other, &FakeProcess { user: 107, cgroup: machine, ..QEMU }, "its manager"),
        (&other, &FakeProcess { user: 1000, cgroup: scope, ..QEMU }, "its manager"),
        (&FakeProcess { pid: 40, ..ROOT }, &FakeProcess { cgroup: scope, ..QEMU }, "its manager"),
        (&FakeProcess { cgroup: session, ..other }, &ROOT, "in a user's session"),
        (
            &FakeProcess { cgroup: session, ..other },
            &FakeProcess { cgroup: session, ..QEMU },
            "neither",
        ),
        (&FakeProcess { user: 0, fds: &[], ..other }, &ROOT, "alone holds a guest of KVM"),
    ] {
        let host = FakeHost::unified();
        host.process(first);
        let mut discovery = Discovery::default();
        discovery.scan(&host.root(), at(0)).unwrap();
        assert_eq!(ids(&discovery), [(40, uuid(), true)], "nobody else says so");
        host.process(late);
        discovery.scan(&host.root(), at(1)).unwrap();
        let loser = VmId::Process { pid: 40, start: first.start };
        assert_eq!(ids(&discovery), [(40, loser, false), (50, uuid(), true)], "{reason}");
        let told = discovery.disputes();
        assert!(told.iter().any(|text| text.contains(reason)), "{reason}: {told:?}");
        let claims = discovery.vms().next().unwrap().claims("qemu-system-x86-40");
        let said = Claims { uuid: Some(UUID.parse().unwrap()), name: Some("a b".to_owned()) };
        assert_eq!(claims, said);
    }
}

#[test]
fn a_claim_that_is_as_good_changes_nothing() {
    let host = FakeHost::unified();
    let scope = "0::/qemu.slice/2207.scope\n";
    host.process(&FakeProcess { fds: KVM, cgroup: scope, ..QEMU });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    // A restart or a migration on one host: the new one has an older start time, or a lower pid.
    host.process(&FakeProcess { pid: 40, start: 1, fds: KVM, cgroup: scope, ..QEMU });
    let other = VmId::Process { pid: 40, start: 1 };
    for second in 1..4 {
        discovery.scan(&host.root(), at(second)).unwrap();
        // Its hypervisor may be asked, which holds the UUID against the pid.
        assert_eq!(ids(&discovery), [(40, other, true), (50, uuid(), true)]);
        let vms: Vec<_> = discovery.vms().map(|vm| vm.identity().is_some()).collect();
        assert_eq!(vms, [false, true]);
    }
}

const KVM: &[&str] = &["anon_inode:kvm-vm"];
const DAEMON: &[&str] = &["/usr/bin/kvm", "-name", "billing", "-daemonize", "-uuid", UUID];

#[test]
fn the_process_that_runs_the_guest_is_the_vm_and_not_its_starter() {
    let host = FakeHost::unified();
    // QEMU's starter has a second thread too, made before it forks.
    let starter = FakeProcess { pid: 50, arguments: DAEMON, threads: 2, ..QEMU };
    let vm = FakeProcess { pid: 52, start: 778, fds: KVM, ..starter };
    for pids in [[50, 52], [52, 50]] {
        let mut discovery = Discovery::default();
        for pid in pids {
            host.process(if pid == 50 { &starter } else { &vm });
            discovery.scan(&host.root(), at(0)).unwrap();
        }
        assert_eq!(ids(&discovery), [(52, uuid(), true)], "{pids:?}");
        assert_eq!(discovery.disputes(), [""; 0]);
        assert_eq!(discovery.look_at(&host.root(), 50, at(1)), Sighting::NotYet);
        host.end(50);
        discovery.scan(&host.root(), at(2)).unwrap();
        assert_eq!(ids(&discovery), [(52, uuid(), true)], "{pids:?}");
        host.end(52);
    }
}

/// A process whose session was begun by process `session`.
fn in_session(host: &FakeHost, process: &FakeProcess<'_>, session: u32) {
    host.process(process);
    let stat = host.path(&format!("proc/{}/stat", process.pid));
    let text = std::fs::read_to_string(&stat).unwrap();
    let changed = text.replace(" S 1 1 1 0 ", &format!(" S 1 {session} {session} 0 "));
    assert_ne!(text, changed);
    std::fs::write(stat, changed).unwrap();
}

#[test]
fn an_emulated_daemon_is_told_from_its_starter_by_its_session() {
    let host = FakeHost::unified();
    host.process(&FakeProcess { pid: 40, ..FakeProcess::default() });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    // The shell's child; then what its forked child forked, whose session's leader has ended.
    in_session(&host, &FakeProcess { pid: 50, arguments: DAEMON, ..QEMU }, 40);
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(ids(&discovery), []);
    in_session(&host, &FakeProcess { pid: 52, start: 777, arguments: DAEMON, ..QEMU }, 51);
    discovery.scan(&host.root(), at(2)).unwrap();
    assert_eq!(ids(&discovery), [(52, uuid(), true)]);
    // Two of the same command line, both daemons, are two VMs.
    let twin = &["kvm", "-daemonize", "-m", "64"];
    in_session(&host, &FakeProcess { pid: 60, arguments: twin, ..QEMU }, 59);
    in_session(&host, &FakeProcess { pid: 62, start: 999, arguments: twin, ..QEMU }, 61);
    discovery.scan(&host.root(), at(3)).unwrap();
    assert_eq!(discovery.vms().map(|vm| vm.pid).collect::<Vec<_>>(), [52, 60, 62]);
}

#[test]
fn a_child_that_has_the_guest_is_the_vm() {
    let host = FakeHost::unified();
    host.process(&QEMU);
    host.process(&FakeProcess { pid: 90, parent: 50, start: 900, fds: KVM, ..QEMU });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(ids(&discovery), [(90, uuid(), true)]);
}

#[test]
fn a_vm_whose_command_line_no_longer_comes_stays_one() {
    let host = FakeHost::unified();
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    // Whether KVM runs it is open for 10 s.
    let arguments = &["qemu-system-x86_64", "-machine", "q35,accel=kvm:tcg"];
    host.process(&FakeProcess { arguments, ..QEMU });
    discovery.scan(&host.root(), at(1)).unwrap();
    let path = host.path(&format!("proc/{}/cmdline", QEMU.pid));
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    for second in [2, 8, 20, 40] {
        discovery.scan(&host.root(), at(second)).unwrap();
        assert_eq!(found(&discovery).len(), 1, "second {second}");
    }
    // Lets the threads go.
    std::fs::File::options().read(true).write(true).open(path).unwrap();
}

#[test]
fn emulation_is_settled_only_when_it_is_said() {
    let host = FakeHost::unified();
    let arguments = &["/usr/bin/kvm", "-name", "a"];
    host.process(&FakeProcess { arguments, ..QEMU });
    let root = host.root();
    let accelerator =
        |discovery: &Discovery| discovery.vms().next().unwrap().description.accelerator;
    let mut discovery = Discovery::default();
    discovery.scan(&root, at(0)).unwrap();
    assert_eq!(accelerator(&discovery), None, "it may use KVM");
    discovery.scan(&root, at(11)).unwrap();
    assert_eq!(accelerator(&discovery), Some(Accelerator::Tcg));
    host.process(&FakeProcess { arguments, fds: KVM, ..QEMU });
    discovery.scan(&root, at(200)).unwrap();
    assert_eq!(accelerator(&discovery), Some(Accelerator::Kvm), "it was late");
}

#[test]
fn a_configuration_file_is_read_as_the_vm_saw_it() {
    let host = FakeHost::unified();
    let file = host.path("srv/qemu.conf");
    host.file("srv/qemu.conf", "[memory]\nsize = \"6G\"\n");
    let arguments = ["qemu-system-x86_64", "-name", "depot", "-readconfig", file.to_str().unwrap()];
    host.process(&FakeProcess { arguments: &arguments, fds: KVM, ..QEMU });
    let size = || {
        let mut discovery = Discovery::default();
        discovery.scan(&host.root(), at(0)).unwrap();
        discovery.vms().next().unwrap().description.qemu.as_ref().unwrap().size()
    };
    assert_eq!(size(), Ok(Bytes(6 << 30)));
    // The file of today is newer than the VM.
    host.file("proc/stat", "cpu 1 2\nbtime 1000000000\n");
    assert!(
        size().is_err_and(|reason| reason.ends_with("it has changed since the VM was started"))
    );
    host.file("proc/stat", "btime 9000000000\n");
    assert!(size().is_ok());
    std::fs::remove_file(&file).unwrap();
    assert!(size().is_err_and(|reason| reason.contains("No such file")));
}

#[test]
fn libvirt_in_another_pid_namespace_is_not_the_hosts() {
    let host = FakeHost::unified();
    let arguments = &["qemu-kvm", "-chardev", "socket,id=charmonitor,fd=2,server=on"];
    host.process(&FakeProcess { arguments, fds: KVM, ..QEMU });
    let libvirt = || {
        let mut discovery = Discovery::default();
        discovery.scan(&host.root(), at(0)).unwrap();
        discovery.vms().next().unwrap().description.qemu.as_ref().unwrap().libvirt
    };
    assert_eq!(libvirt(), Some(Libvirt::System));
    host.file("proc/50/status", "Pid:\t50\nNSpid:\t50\t9\nVmRSS:\t 5 kB\n");
    assert_eq!(libvirt(), Some(Libvirt::Contained));
}

#[test]
fn libvirt_that_is_not_seen_where_the_host_has_it_is_not_the_hosts() {
    let host = FakeHost::unified();
    let arguments = &["qemu-kvm", "-chardev", "socket,id=charmonitor,fd=2,server=on"];
    let seen = |root: &str| {
        host.process(&FakeProcess { arguments, fds: KVM, ..QEMU });
        host.link("proc/50/root", host.path(root).to_str().unwrap());
        let mut discovery = Discovery::default();
        discovery.scan(&host.root(), at(0)).unwrap();
        discovery.vms().next().unwrap().description.qemu.as_ref().unwrap().libvirt
    };
    // In a container that shares the host's processes; nothing of libvirt is on the host.
    for folder in ["run", "container/run"] {
        std::fs::create_dir_all(host.path(folder)).unwrap();
    }
    assert_eq!(seen(""), Some(Libvirt::System));
    assert_eq!(seen("container"), Some(Libvirt::Contained));
    std::fs::create_dir(host.path("run/libvirt")).unwrap();
    assert_eq!(seen("container"), Some(Libvirt::Contained), "it has none there");
    std::fs::create_dir(host.path("container/run/libvirt")).unwrap();
    assert_eq!(seen("container"), Some(Libvirt::Contained), "it has its own there");
    assert_eq!(seen(""), Some(Libvirt::System));
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
    let now = Vitals::from(process::stat(&root, 50).unwrap());
    assert!(discovery.confirm(50, Some(&now)));
    let other = Vitals { start: 9999, ..now };
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
        let now = Vitals::from(process::stat(&root, 60).unwrap());
        assert!(discovery.confirm(60, Some(&now)), "second {second}");
        assert_eq!(discovery.vms().next().unwrap().description.name, "sh-60");
    }
    assert!(!discovery.confirm(60, None));
    host.process(&FakeProcess { pid: 60, start: 2000, ..FakeProcess::default() });
    discovery.scan(&root, at(20)).unwrap();
    assert_eq!(discovery.vms().count(), 0, "another process with the same id");
}

#[test]
fn guests_of_another_memtraces_self_test_are_no_vms() {
    let host = FakeHost::unified();
    let fds = &["/dev/kvm", "anon_inode:kvm-vm"];
    let arguments: &[&str] = &["memtrace", SELFTEST_GUEST, "--parent", "9"];
    let guest = FakeProcess { comm: "memtrace", arguments, fds, ..FakeProcess::default() };
    host.process(&FakeProcess { pid: 60, parent: 9, ..guest });
    // Its own are what a self-test is about.
    host.process(&FakeProcess { pid: 61, parent: std::process::id(), ..guest });
    host.process(&FakeProcess { pid: 62, parent: 9, arguments: &["memtrace", "top"], ..guest });
    // Root of a container is anybody.
    host.process(&FakeProcess { pid: 63, parent: 9, ..guest });
    host.file("proc/63/status", "Uid:\t0\t0\t0\t0\nNSpid:\t63\t7\n");
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    let pids: Vec<u32> = discovery.vms().map(|vm| vm.pid).collect();
    assert_eq!(pids, [61, 62, 63]);
}
