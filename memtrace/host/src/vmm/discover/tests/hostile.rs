//! Users who make looking for VMs expensive.

use super::*;
use crate::hostfs::process::ProcessStat;
use crate::vmm::discover::crowds::VmKind;
use crate::vmm::discover::turns::{LOOK, TAKING_UP};

/// So little that a few descriptors are many.
const TURN: u32 = 64;
/// Work of a second; without a limit of time, as a busy machine must not change the results.
const SMALL: u32 = 2 * TURN;
const STRANGER: u32 = 1000;

fn frugal() -> Discovery {
    let hour = Duration::from_secs(3600);
    let allowance = Allowance::new((SMALL, hour), (SMALL, hour));
    Discovery { turn: TURN, allowance, of_events: allowance, ..Discovery::default() }
}

/// A process with so many descriptors, the last of which may be a guest of KVM.
fn hoarder(host: &FakeHost, pid: u32, user: u32, descriptors: usize) {
    let fds = vec!["/dev/null"; descriptors];
    host.process(&FakeProcess { pid, user, arguments: &["qemu-system-x86_64"], fds: &fds, ..QEMU });
}

#[test]
fn a_scan_does_no_more_than_it_may_and_goes_on_where_it_stopped() {
    let host = FakeHost::unified();
    for pid in 100..103 {
        hoarder(&host, pid, STRANGER, 100);
    }
    let mut discovery = frugal();
    let mut counts = Vec::new();
    for second in 0..4 {
        let before = discovery.work();
        discovery.scan(&host.root(), at(second)).unwrap();
        let work = discovery.work() - before;
        assert!(work <= u64::from(SMALL + LOOK), "second {second}: {work}");
        counts.push(discovery.vms().count());
    }
    assert_eq!(counts, [1, 2, 3, 3], "each is looked through once");
}

#[test]
fn what_root_left_to_a_user_is_that_users_whatever_it_is_called() {
    let host = FakeHost::unified();
    let process = |pid, user| host.process(&FakeProcess { pid, user, ..FakeProcess::default() });
    let mut discovery = frugal();
    process(100, 0);
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.user(100), Some(0));
    // The same process under the same name.
    process(100, STRANGER);
    discovery.scan(&host.root(), at(200)).unwrap();
    assert_eq!(discovery.user(100), Some(STRANGER));
}

#[test]
fn an_id_that_is_used_again_before_the_first_look_is_the_new_processes() {
    let host = FakeHost::unified();
    let process = |user| host.process(&FakeProcess { pid: 103, user, ..FakeProcess::default() });
    let mut discovery = frugal();
    process(0);
    discovery.enter(103, Some(0), at(0));
    process(STRANGER);
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(discovery.user(103), Some(STRANGER));
}

#[test]
fn many_descriptors_of_one_user_do_not_delay_the_vm_of_another() {
    let host = FakeHost::unified();
    for pid in 100..105 {
        hoarder(&host, pid, STRANGER, 100);
    }
    let mut discovery = frugal();
    discovery.scan(&host.root(), at(0)).unwrap();
    let waiting = discovery.omissions();
    assert!(waiting[0].starts_with("4 processes not looked at yet, 4 of them of user 1000"));
    host.process(&FakeProcess { pid: 900, user: 64055, fds: KVM, ..QEMU });
    discovery.scan(&host.root(), at(1)).unwrap();
    assert!(discovery.vms().any(|vm| vm.pid == 900), "{:?}", found(&discovery));
}

#[test]
fn slow_looks_are_no_more_than_one_in_a_scan() {
    let host = FakeHost::unified();
    for pid in 100..103 {
        hoarder(&host, pid, STRANGER, 1);
    }
    // Each look takes longer than that.
    let instant = (1024, Duration::from_nanos(1));
    let allowance = Allowance::new(instant, instant);
    let mut discovery = Discovery { allowance, ..Discovery::default() };
    (100..103).for_each(|pid| discovery.enter(pid, Some(STRANGER), at(0)));
    for scan in 0..4 {
        discovery.scan(&host.root(), at(10 * scan)).unwrap();
        assert_eq!(discovery.vms().count() as u64, (scan + 1).min(3), "scan {scan}");
    }
}

#[test]
fn new_processes_count_before_they_are_looked_at() {
    let host = FakeHost::unified();
    for pid in 100..200 {
        host.process(&FakeProcess { pid, user: STRANGER, ..FakeProcess::default() });
    }
    let mut discovery = frugal();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.work(), 100 * u64::from(TAKING_UP));
}

#[test]
fn new_processes_take_half_of_the_time_and_those_left_out_are_counted() {
    let host = FakeHost::unified();
    for pid in 100..110 {
        host.process(&FakeProcess { pid, user: STRANGER, ..FakeProcess::default() });
    }
    let instant = (1024, Duration::from_nanos(1));
    let allowance = Allowance::new(instant, instant);
    let mut discovery = Discovery { allowance, ..Discovery::default() };
    // Each look takes longer than that, and so does taking one up.
    discovery.scan(&host.root(), at(0)).unwrap();
    let told = "9 processes not looked at yet: VMs among them are missing so far";
    assert_eq!(discovery.omissions(), [told]);
    discovery.scan(&host.root(), at(10)).unwrap();
    assert_eq!(discovery.untaken, 8);
}

#[test]
fn what_ran_before_is_old_whenever_it_is_looked_at() {
    let host = FakeHost::unified();
    for pid in 100..110 {
        host.process(&FakeProcess { pid, user: STRANGER, ..FakeProcess::default() });
    }
    let daemon = ["qemu-system-x86_64", "-daemonize", "-accel", "tcg"];
    in_session(&host, &FakeProcess { pid: 200, arguments: &daemon, ..QEMU }, 100);
    let instant = (1024, Duration::from_nanos(1));
    let allowance = Allowance::new(instant, instant);
    let mut discovery = Discovery { allowance, ..Discovery::default() };
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.untaken, 10, "there was time for one");
    // A young one may be the starter of another.
    assert_eq!(discovery.look_at(&host.root(), 200, at(1)), Sighting::Vm, "an event tells of it");
    let is_young = |discovery: &Discovery, pid| discovery.entries[&pid].is_young(at(1));
    discovery.allowance = frugal().allowance;
    discovery.scan(&host.root(), at(1)).unwrap();
    assert!(!(100..110).any(|pid| is_young(&discovery, pid)));
    host.process(&FakeProcess { pid: 300, ..FakeProcess::default() });
    discovery.scan(&host.root(), at(1)).unwrap();
    assert!(is_young(&discovery, 300));
}

#[test]
fn a_listing_that_takes_long_is_made_seldom() {
    assert_eq!(pause(Duration::from_millis(2), SHORT_LISTING), Nanos(0));
    assert_eq!(pause(Duration::from_millis(100), SHORT_LISTING), Nanos(2 * Nanos::SECOND.0));
    let host = FakeHost::unified();
    host.process(&QEMU);
    let mut discovery = Discovery { next_listing: at(5), ..Discovery::default() };
    discovery.scan(&host.root(), at(4)).unwrap();
    assert_eq!(discovery.vms().count(), 0);
    discovery.scan(&host.root(), at(5)).unwrap();
    assert_eq!(discovery.vms().count(), 1);
}

#[test]
fn a_guest_behind_many_descriptors_is_found_all_the_same() {
    let host = FakeHost::unified();
    let mut fds = vec!["/dev/null"; 5 * TURN as usize];
    fds.push("anon_inode:kvm-vm");
    host.process(&FakeProcess { pid: 60, comm: "vmm", fds: &fds, ..FakeProcess::default() });
    let mut discovery = frugal();
    for second in 0..3 {
        assert_eq!(discovery.vms().count(), 0);
        discovery.scan(&host.root(), at(second)).unwrap();
    }
    assert_eq!(found(&discovery), [(60, "vmm-60")]);
}

#[test]
fn a_user_has_a_share_of_the_looks_that_events_ask_for() {
    let host = FakeHost::unified();
    hoarder(&host, 100, STRANGER, 5 * TURN as usize);
    host.process(&FakeProcess { pid: 900, user: 64055, fds: KVM, ..QEMU });
    let mut discovery = frugal();
    // The first is not through, and the others are put off.
    for look in 0..3 {
        let sighting = discovery.look_at(&host.root(), 100, at(0));
        assert_eq!(sighting, Sighting::NotYet, "look {look}");
    }
    assert!(discovery.work() <= u64::from(TURN + LOOK), "{}", discovery.work());
    assert_eq!(discovery.look_at(&host.root(), 900, at(0)), Sighting::Vm);
}

#[test]
fn a_look_that_is_put_off_comes_in_the_next_scan_and_takes_no_vm_away() {
    for user in [0, STRANGER] {
        let host = FakeHost::unified();
        host.process(&FakeProcess { pid: 60, user, fds: KVM, ..QEMU });
        let mut discovery = frugal();
        discovery.scan(&host.root(), at(0)).unwrap();
        hoarder(&host, 100, user, 5 * TURN as usize);
        host.process(&FakeProcess { pid: 70, user, fds: KVM, ..QEMU });
        let mut look = |pid| discovery.look_at(&host.root(), pid, at(0));
        // The first takes all of its user's share.
        assert_eq!(look(100), Sighting::NotYet);
        assert_eq!((look(70), look(60)), (Sighting::NotYet, Sighting::Vm), "user {user}");
        discovery.scan(&host.root(), at(1)).unwrap();
        let vms: Vec<u32> = discovery.vms().map(|vm| vm.pid).collect();
        assert_eq!(vms, [60, 70], "user {user}");
    }
}

/// Most VMs of one user by their word alone.
const MOST_BY_WORD: usize = VmKind::Claimed.most();

/// One that looks at all processes in one scan, however slow this machine is.
fn in_one_scan() -> Discovery {
    let enough = (1 << 20, Duration::from_secs(3600));
    Discovery { allowance: Allowance::new(enough, enough), ..Discovery::default() }
}

#[test]
fn a_user_has_so_many_vms_by_command_lines_alone_and_root_as_many_as_it_says() {
    let host = FakeHost::unified();
    let crowd = MOST_BY_WORD as u32 + 20;
    let arguments = &["qemu-system-x86_64", "-accel", "tcg"];
    for pid in 100..100 + crowd {
        host.process(&FakeProcess { pid, user: STRANGER, arguments, ..QEMU });
    }
    host.process(&FakeProcess { pid: 5000, user: STRANGER, arguments, fds: KVM, ..QEMU });
    let mut discovery = in_one_scan();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.vms().count(), MOST_BY_WORD + 1, "one holds a guest");
    let told = "user 1000 has more than 256 processes that are VMs by their command lines alone";
    assert!(discovery.omissions()[0].starts_with(told), "{:?}", discovery.omissions());
    // With as many as are taken there is none that isn't.
    for pid in 100 + MOST_BY_WORD as u32..100 + crowd {
        host.end(pid);
    }
    discovery.scan(&host.root(), at(1)).unwrap();
    assert_eq!(discovery.vms().count(), MOST_BY_WORD + 1);
    assert_eq!(discovery.omissions(), [""; 0]);
    for pid in 100..100 + crowd {
        host.process(&FakeProcess { pid, user: 0, start: 778, arguments, ..QEMU });
    }
    let mut discovery = in_one_scan();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.vms().count(), crowd as usize + 1);
    assert_eq!(discovery.omissions(), [""; 0]);
}

/// As many guests of KVM as `STRANGER` may have.
fn all_guests() -> Discovery {
    let mut discovery = Discovery::default();
    for pid in 1000..1000 + VmKind::Guest.most() as u32 {
        let description = Description::of_process(pid, &ProcessStat::default());
        let suspect = Suspect {
            start: 1,
            parent: 1,
            group: 1,
            session: 1,
            user: Some(STRANGER),
            standing: Standing::Other,
            young_until: Nanos(0),
            description: Description { kvm: true, ..description },
        };
        discovery.suspects.insert(pid, suspect);
    }
    discovery
}

#[test]
fn a_user_has_so_many_guests_of_kvm_outside_of_a_session() {
    let host = FakeHost::unified();
    let mut discovery = all_guests();
    let mut look = |pid, user| {
        host.process(&FakeProcess { pid, user, fds: KVM, ..QEMU });
        discovery.look_at(&host.root(), pid, at(0))
    };
    assert_eq!(look(50, STRANGER), Sighting::No);
    // Another's, and root's, are none of these.
    assert_eq!((look(51, 64055), look(52, 0)), (Sighting::Vm, Sighting::Vm));
    let told = "user 1000 has more than 2048 VMs with a guest of KVM: the others are not counted";
    assert_eq!(discovery.omissions(), [told]);
    discovery.forget(1000);
    assert_eq!(discovery.look_at(&host.root(), 50, at(0)), Sighting::Vm);
    assert_eq!(discovery.omissions(), [""; 0]);
}

#[test]
fn nobody_gets_more_vms_by_making_one_kind_of_another() {
    let host = FakeHost::unified();
    let mut discovery = all_guests();
    let arguments = &["qemu-system-x86_64"];
    let emulated = FakeProcess { pid: 50, user: STRANGER, arguments, ..QEMU };
    host.process(&emulated);
    assert_eq!(discovery.look_at(&host.root(), 50, at(0)), Sighting::Vm);
    host.process(&FakeProcess { fds: KVM, ..emulated });
    assert_eq!(discovery.look_at(&host.root(), 50, at(0)), Sighting::No);
    assert!(discovery.vms().all(|vm| vm.pid != 50));
}

#[test]
fn the_users_of_ones_own_namespace_are_one() {
    let host = FakeHost::unified();
    let cgroup = "0::/user.slice/user-1000.slice/user@1000.service/a\n";
    let arguments = &["qemu-system-x86_64", "-accel", "tcg"];
    for number in 0..MOST_BY_WORD as u32 + 20 {
        let (pid, user) = (100 + number, 165_536 + number);
        // In a session guests of KVM count as well.
        let fds = if number % 2 == 0 { KVM } else { QEMU.fds };
        host.process(&FakeProcess { pid, user, cgroup, arguments, fds, ..QEMU });
    }
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    assert_eq!(discovery.vms().count(), MOST_BY_WORD);
    assert!(discovery.omissions()[0].starts_with("user 1000 has more than 256"));
}

#[test]
fn what_a_command_line_says_that_is_too_long_is_unknown() {
    let host = FakeHost::unified();
    let long = "a".repeat(600 << 10);
    let start = ["qemu-system-x86_64", "-m", "512"];
    let arguments = [&start[..], &["-append", &long, "-device", "vfio-pci"]].concat();
    host.process(&FakeProcess { arguments: &arguments, fds: KVM, ..QEMU });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    let vm = discovery.vms().next().unwrap();
    assert_eq!(vm.description.vfio, None);
    let qemu = vm.description.qemu.as_ref().unwrap();
    assert_eq!(qemu.size(), Err("its command line is too long".to_owned()));
    // The limit is within the number.
    let filling = &long[..(512 << 10) - 25];
    let arguments = &["qemu-system-x86_64", filling, "-m", "4096"];
    host.process(&FakeProcess { arguments, ..QEMU });
    let read = process::arguments(&host.root(), 50).unwrap();
    assert_eq!((read.list.last().map(String::as_str), read.cut), (Some("-m"), true));
}

#[test]
fn little_is_kept_of_a_long_command_line() {
    let host = FakeHost::unified();
    let long = "a".repeat(60 << 10);
    let mut arguments = vec![""; 100_000];
    arguments[1] = &long;
    let process = FakeProcess { comm: "vmm", program: "/bin/vmm", fds: KVM, ..QEMU };
    host.process(&FakeProcess { arguments: &arguments, ..process });
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), at(0)).unwrap();
    let kept = &discovery.vms().next().unwrap().description.arguments;
    assert_eq!((kept.len(), kept[1].len()), (256, 256));
}
