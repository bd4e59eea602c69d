//! What a policy learns of a sample, and what it doesn't.

use super::*;
use crate::fixture::samples::{GIB, MIB, sample, vm};
use crate::model::derive;
use crate::sample::{GuestStats, Meminfo, ScopeSample, VmState};
use crate::units::{ByteRate, Limit, Nanos, Rate, WallNanos};

/// The only VM of a sample at second 11, after `change`, one second after it was as the
/// fixture has it.
fn observed(change: impl FnOnce(&mut Sample)) -> Observation {
    let before = sample(10, vec![vm("a", 7)]);
    let mut now = sample(11, vec![vm("a", 7)]);
    change(&mut now);
    let mut observer = Observer::default();
    observer.observe(&before, &derive(None, &before));
    observer.observe(&now, &derive(Some(&before), &now))
}

fn only(observation: Observation) -> VmObservation {
    observation.vms.into_iter().next().expect("the sample has a VM")
}

fn of_vm(change: impl FnOnce(&mut VmSample)) -> VmObservation {
    only(observed(|sample| sample.vms.iter_mut().for_each(change_once(change))))
}

fn change_once(change: impl FnOnce(&mut VmSample)) -> impl FnMut(&mut VmSample) {
    let mut change = Some(change);
    move |vm| {
        if let Some(change) = change.take() {
            change(vm);
        }
    }
}

#[test]
fn everything_that_is_known_arrives() {
    let observation = observed(|_| {});
    assert_eq!(observation.at, Nanos(11_000_000_000));
    let scope = &observation.scope;
    assert_eq!(scope.total, Some(Bytes(16 * GIB)));
    assert_eq!(scope.available, Some(Bytes(4 * GIB)));
    assert_eq!(scope.swap_free, Some(Bytes(6 * GIB)));
    assert_eq!(scope.psi_some, Some(Percent(1.5)));
    assert_eq!(scope.swap_in, Some(ByteRate(0.0)));
    let vm = only(observation);
    assert_eq!(vm.state, Some(VmState::Running));
    assert_eq!((vm.vcpus, vm.cpu_time), (Some(2), Some(Nanos(0))));
    assert_eq!((vm.no_balloon, vm.pinned, vm.takes_reclaim), (None, None, true));
    assert_eq!((vm.actual, vm.maximum), (Some(Bytes(GIB)), Some(Bytes(GIB))));
    assert_eq!(vm.psi_some, Some(Percent(3.0)));
    assert_eq!(vm.dead, Some(Bytes(100 * MIB)));
    assert_eq!(vm.stalled, Some(Percent(0.0)));
    let guest = vm.guest.expect("the guest answered");
    assert_eq!(guest.age, Some(Nanos(1_000_000_000)));
    assert_eq!(guest.available, Some(Bytes(300 * MIB)));
}

#[test]
fn the_cache_of_zfs_can_be_had_and_an_unknown_one_makes_all_unknown() {
    let arc = |arc| observed(|sample| sample.host.arc_reclaimable = arc).scope.available;
    assert_eq!(arc(Some(Bytes(GIB))), Some(Bytes(5 * GIB)));
    assert_eq!(arc(None), None);
}

/// 256 GiB, 80 of them free, and swap that was filled long ago.
#[test]
fn a_swap_that_is_full_and_still_is_no_pressure() {
    let full = observed(|now| {
        now.host.psi = None;
        now.host.meminfo = Some(Meminfo {
            total: Bytes(256 * GIB),
            free: Bytes(80 * GIB),
            available: Bytes(82 * GIB),
            swap_total: Bytes(1000 * MIB),
            swap_free: Bytes(15 * MIB),
            ..Meminfo::default()
        });
    });
    assert_eq!(full.scope.swap_free, Some(Bytes(15 * MIB)));
    let mut policy = crate::policy::Memtrace::default();
    let decisions = crate::policy::Policy::step(&mut policy, &full);
    assert_eq!(decisions.state, Some(crate::policy::Level::Calm));
    assert!(decisions.actions.is_empty());
}

#[test]
fn without_meminfo_nothing_of_the_host_is_made_up() {
    let scope = observed(|sample| sample.host.meminfo = None).scope;
    assert_eq!((scope.total, scope.available, scope.swap_free), (None, None, None));
    let full = Meminfo { swap_free: Bytes(u64::MAX), ..Meminfo::default() };
    let scope = observed(|sample| sample.host.meminfo = Some(full)).scope;
    assert_eq!(scope.swap_free, Some(Bytes(0)));
}

#[test]
fn memory_that_the_host_does_not_count_is_a_reason_to_believe_a_guest() {
    assert_eq!(of_vm(|_| {}).uncounted, None);
    let why = |change: fn(&mut Sample)| only(observed(change)).uncounted;
    assert_eq!(why(|now| now.vms[0].shared = Some(true)), Some(Uncounted::Shared));
    assert_eq!(why(|now| now.vms[0].incoming = Some(true)), Some(Uncounted::Incoming));
    assert_eq!(why(|now| now.host.merges_zeros = Some(true)), Some(Uncounted::MergedZeros));
    assert_eq!(of_vm(|vm| (vm.shared, vm.incoming) = (None, None)).uncounted, None);
}

#[test]
fn what_pins_memory_is_a_reason_and_so_is_not_knowing() {
    const LOCKED: Bytes = Bytes(200 * MIB);
    const HUGE: Bytes = Bytes(512 * MIB);
    for (change, reason) in [
        ((|vm: &mut VmSample| vm.vfio = Some(true)) as fn(&mut VmSample), Reason::PassedThrough),
        (|vm| vm.encrypted = Some(true), Reason::Encrypted),
        (|vm| vm.vfio = None, Reason::DevicesUnknown),
        (|vm| vm.process.locked = None, Reason::LockedUnknown),
        (|vm| vm.process.hugetlb = None, Reason::LockedUnknown),
        (|vm| vm.process.rss = None, Reason::LockedUnknown),
        (|vm| vm.process.locked = Some(LOCKED), Reason::Locked { bytes: LOCKED }),
        (|vm| vm.process.hugetlb = Some(HUGE), Reason::HugePages { bytes: HUGE }),
    ] {
        assert_eq!(of_vm(change).pinned, Some(reason));
    }
    assert_eq!(of_vm(|vm| vm.process.locked = Some(Bytes(64 << 10))).pinned, None);
}

#[test]
fn a_balloon_needs_somebody_to_ask_and_a_size() {
    let unasked = of_vm(|vm| vm.manager = Manager::None);
    assert_eq!(unasked.no_balloon, Some(Reason::NoConnection));
    assert_eq!(of_vm(|vm| vm.guest.maximum = None).no_balloon, Some(Reason::SizeUnknown));
    let gone = of_vm(|vm| {
        vm.guest.actual = None;
        vm.guest.problem = Some("no balloon device".into());
    });
    let text = "no balloon device".to_owned();
    assert_eq!(gone.no_balloon, Some(Reason::Reported { text }));
}

#[test]
fn only_a_cgroup_of_its_own_tells_of_a_vm_and_takes_orders() {
    let shared = of_vm(|vm| vm.cgroup.iter_mut().for_each(|cgroup| cgroup.vms = 3));
    assert_eq!(shared.psi_some, None);
    assert!(!shared.takes_reclaim);
    let old = of_vm(|vm| vm.cgroup.iter_mut().for_each(|cgroup| cgroup.version = 1));
    assert!(!old.takes_reclaim);
    let limited = |limit| {
        let vm = of_vm(|vm| vm.cgroup.iter_mut().for_each(|cgroup| cgroup.swap_limit = limit));
        vm.takes_reclaim
    };
    assert!(!limited(Some(Limit::At(Bytes(0)))));
    for some in [None, Some(Limit::At(Bytes(GIB))), Some(Limit::Unlimited)] {
        assert!(limited(some), "{some:?}");
    }
    assert!(!of_vm(|vm| vm.cgroup = None).takes_reclaim);
}

/// The rates after the guest answered with `stats` at the given second.
fn rates(answers: &[(u64, GuestStats)]) -> GuestObservation {
    let mut observer = Observer::default();
    let mut last = None;
    for (step, (second, stats)) in answers.iter().enumerate() {
        let mut now = sample(11 + step as u64, vec![vm("a", 7)]);
        now.vms[0].guest.stats =
            Some(GuestStats { updated: Some(WallNanos(second * Nanos::SECOND.0)), ..*stats });
        last = Some(observer.observe(&now, &derive(None, &now)));
    }
    only(last.expect("there is an answer")).guest.expect("the guest answered")
}

fn counts(faults: u64, swapped: u64) -> GuestStats {
    let swapped = Some(Bytes(swapped));
    GuestStats {
        major_faults: Some(faults),
        swap_in: swapped,
        swap_out: swapped,
        ..GuestStats::default()
    }
}

#[test]
fn guest_rates_are_between_two_answers_and_stay_until_the_next() {
    let guest = rates(&[(10, counts(5, 0)), (12, counts(105, 4096))]);
    assert_eq!(guest.major_faults, Some(Rate(50.0)));
    assert_eq!(guest.swap_in, Some(ByteRate(2048.0)));
    let same = rates(&[(10, counts(5, 0)), (12, counts(105, 0)), (12, counts(105, 0))]);
    assert_eq!(same.major_faults, Some(Rate(50.0)));
}

#[test]
fn no_rate_is_made_of_one_answer_or_of_counters_that_ran_backwards() {
    assert_eq!(rates(&[(10, counts(5, 0))]).major_faults, None);
    assert_eq!(rates(&[(10, counts(5, 0)), (12, counts(4, 0))]).major_faults, None);
    assert_eq!(rates(&[(12, counts(5, 0)), (10, counts(9, 0))]).major_faults, None);
}

#[test]
fn counters_that_begin_anew_are_a_reboot_in_the_sample_with_the_answer() {
    let rebooted = |answers: &[(u64, GuestStats)]| rates(answers).rebooted;
    let (long, anew) = (counts(900, 4096), counts(3, 0));
    assert!(rebooted(&[(10, long), (12, anew)]));
    assert!(rebooted(&[(10, counts(9, 4096)), (12, counts(9, 0))]), "any of them");
    assert!(!rebooted(&[(10, long), (12, anew), (12, anew)]), "only once");
    assert!(!rebooted(&[(10, long), (12, long)]));
    assert!(!rebooted(&[(10, anew)]));
    let silent = GuestStats { major_faults: None, swap_in: None, swap_out: None, ..long };
    assert!(!rebooted(&[(10, long), (12, silent)]), "a counter that is gone tells nothing");
}

#[test]
fn a_kill_in_the_guest_is_growth_between_two_answers() {
    let kills = |kills| GuestStats { oom_kills: kills, ..counts(5, 0) };
    let killed = |before, now| rates(&[(10, kills(before)), (12, kills(now))]).killed;
    assert!(killed(Some(3), Some(4)));
    assert!(!rates(&[(10, kills(Some(3)))]).killed, "nobody knows when they were");
    for (before, now) in [(Some(3), Some(3)), (Some(3), Some(0)), (None, Some(9)), (Some(3), None)]
    {
        assert!(!killed(before, now), "{before:?} {now:?}");
    }
}

#[test]
fn another_process_is_another_guest() {
    let mut observer = Observer::default();
    let mut first = sample(10, vec![vm("a", 7)]);
    observer.observe(&first, &derive(None, &first));
    first.vms[0].start += 1;
    if let Some(stats) = &mut first.vms[0].guest.stats {
        stats.updated = stats.updated.map(|at| WallNanos(at.0 + 1));
        stats.major_faults = Some(1000);
    }
    let guest = only(observer.observe(&first, &derive(None, &first))).guest;
    assert_eq!(guest.and_then(|guest| guest.major_faults), None);
}

#[test]
fn an_emulated_vm_certainly_has_no_asynchronous_faults() {
    let emulated = |vm: &mut VmSample| vm.accelerator = Some(Accelerator::Tcg);
    assert_eq!(of_vm(emulated).async_faults, Some(Rate(0.0)));
    let unknown = |vm: &mut VmSample| vm.counters = None;
    assert_eq!(of_vm(unknown).async_faults, None);
}

fn pool(limit: Limit) -> Option<ScopeSample> {
    Some(ScopeSample {
        cgroup: "/machine.slice".to_owned(),
        version: 2,
        usage: Some(Bytes(3 * GIB)),
        limit: Some(limit),
        reclaimable: Some(Bytes(512 * MIB)),
        limit_hits: Some(7),
        psi: None,
        problem: None,
    })
}

#[test]
fn a_cgroup_plays_the_part_of_the_host() {
    let limited = |sample: &mut Sample| sample.host.scope = pool(Limit::At(Bytes(4 * GIB)));
    let scope = observed(limited).scope;
    assert_eq!(scope.cgroup.as_deref(), Some("/machine.slice"));
    assert_eq!(
        (scope.total, scope.available),
        (Some(Bytes(4 * GIB)), Some(Bytes(GIB + 512 * MIB)))
    );
    assert_eq!((scope.psi_some, scope.kswapd), (None, None), "those are the host's");
    let pressed = observed(|sample| {
        limited(sample);
        sample.host.meminfo.iter_mut().for_each(|meminfo| meminfo.available = Bytes(64 * MIB));
    });
    assert_eq!(pressed.scope.available, Some(Bytes(64 * MIB)), "the host hasn't more");
}

#[test]
fn a_cgroup_without_a_limit_has_nothing_to_share() {
    let unlimited = observed(|sample| sample.host.scope = pool(Limit::Unlimited)).scope;
    assert_eq!((unlimited.total, unlimited.available.is_some()), (None, false));
    let unread = |sample: &mut Sample| {
        sample.host.scope = pool(Limit::At(Bytes(4 * GIB)));
        sample.host.scope.iter_mut().for_each(|scope| scope.reclaimable = None);
    };
    assert_eq!(observed(unread).scope.available, None);
}

#[test]
fn only_vms_in_the_cgroup_are_seen() {
    for (path, inside) in [
        ("/machine.slice/a.scope/libvirt", true),
        ("/machine.slice", true),
        ("/machine.slices/a", false),
        ("/other", false),
    ] {
        let observation = observed(|sample| {
            sample.host.scope = pool(Limit::At(Bytes(4 * GIB)));
            let cgroup = sample.vms[0].cgroup.as_mut();
            cgroup.expect("it has one").path = path.to_owned();
        });
        assert_eq!(observation.vms.len() == 1, inside, "{path}");
    }
    let unknown = observed(|sample| {
        sample.host.scope = pool(Limit::At(Bytes(4 * GIB)));
        sample.vms[0].cgroup = None;
    });
    assert_eq!(unknown.vms.len(), 0);
}

#[test]
fn reaching_the_limit_is_direct_reclaim_by_its_rate() {
    let mut observer = Observer::default();
    let mut rates = (10..13).map(|second| {
        let mut now = sample(second, Vec::new());
        now.host.scope = pool(Limit::At(Bytes(4 * GIB)));
        let hits = [7, 27, 5][second as usize - 10];
        now.host.scope.iter_mut().for_each(|scope| scope.limit_hits = Some(hits));
        observer.observe(&now, &derive(None, &now)).scope.direct_reclaims
    });
    let rates = [rates.next(), rates.next(), rates.next()].map(Option::flatten);
    assert_eq!(rates, [None, Some(Rate(20.0)), None], "one that fell is another cgroup's");
}

#[test]
fn metadata_sets_what_the_configuration_does_not() {
    use crate::settings::{VmSettings, VmTable, Which};
    let said = VmSettings { weight: Some(5), minimum: Some(Bytes(GIB)), ..VmSettings::default() };
    let vm = of_vm(|vm| vm.guest.settings = said);
    let settings = VmSettings { weight: Some(7), ..VmSettings::default() };
    let which = Which::Name("a".to_owned());
    let rules = super::super::Rules {
        vms: vec![VmTable { which, settings, labels: Default::default() }],
        ..Default::default()
    };
    let rules = rules.of(&vm);
    assert_eq!((rules.weight, rules.minimum), (7, Some(Bytes(GIB))));
}
