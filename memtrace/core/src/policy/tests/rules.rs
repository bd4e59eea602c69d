//! Each rule by an example.

use uuid::Uuid;

use super::fixture::{GIB, MIB, after, gate, host, id, moves, pressed, slow_swap, vm};
use crate::labels::VmLabels;
use crate::policy::reason::{GuestMemory, SymptomKind};
use crate::policy::rules::{Safety, VmRules};
use crate::policy::{
    Action, GateKind, Level, Memtrace, Observation, Policy, Reason, Rules, VmObservation,
};
use crate::sample::{Claims, VmId, VmState};
use crate::settings::{Priority, VmSettings, VmTable, Which};
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// What is decided on a host with 5 GiB of 32 available (15.6 %, soft) and pressure, on the second
/// look.
fn soft(vms: &[VmObservation]) -> crate::policy::Decisions {
    after(&mut slow_swap(Rules::default()), 1..3, |second| pressed(second, 5 * 1024, vms.to_vec()))
}

fn with(change: impl FnOnce(&mut VmObservation)) -> VmObservation {
    let mut changed = vm(1);
    change(&mut changed);
    changed
}

fn guest(change: impl FnOnce(&mut crate::policy::GuestObservation)) -> VmObservation {
    with(|vm| vm.guest.iter_mut().for_each(change_once(change)))
}

fn change_once<T>(change: impl FnOnce(&mut T)) -> impl FnMut(&mut T) {
    let mut change = Some(change);
    move |it| {
        if let Some(change) = change.take() {
            change(it);
        }
    }
}

#[test]
fn settings_by_uuid_are_the_owners_and_only_exclude_is_for_all_that_say_it() {
    let uuid = Uuid::from_u128(0x3c9e);
    let table = VmTable {
        which: Which::Uuid(uuid),
        settings: VmSettings {
            exclude: Some(true),
            weight: Some(3000),
            priority: Some(Priority::High),
            minimum: Some(Bytes(GIB)),
            ..VmSettings::default()
        },
        labels: VmLabels::default(),
    };
    let named = VmTable { which: Which::Name("billing".to_owned()), ..table.clone() };
    let rules = Rules { vms: vec![table, named], ..Rules::default() };
    let said = |vm: &VmObservation| {
        let VmRules { weight, priority, minimum, exclude, .. } = rules.of(vm);
        (exclude, (weight, priority, minimum) == (3000, Priority::High, Some(Bytes(GIB))))
    };
    let mut second = vm(1);
    second.id = VmId::Process { pid: 7, start: 9 };
    // Anybody may say a UUID or a name. Leaving a VM alone is the safe side.
    second.uuid = Some(uuid);
    assert_eq!(said(&second), (true, false), "recorded when it was all that is said");
    second.uuid = None;
    assert_eq!(said(&second), (false, false));
    second.claims = Claims { uuid: Some(uuid), name: None };
    assert_eq!(said(&second), (true, false));
    second.claims = Claims { uuid: None, name: Some("billing".to_owned()) };
    assert_eq!(said(&second), (true, false));
    second.claims = Claims::default();
    second.id = VmId::Uuid(uuid);
    assert_eq!(said(&second), (true, true), "recorded before UUIDs were observed");
    second.id = VmId::Process { pid: 7, start: 9 };
    second.name = "billing".to_owned();
    assert_eq!(said(&second), (true, true));
}

#[test]
fn with_enough_available_nothing_is_taken() {
    let decisions = after(&mut slow_swap(Rules::default()), 1..5, |second| {
        host(second, 20 * 1024, vec![vm(1)])
    });
    assert_eq!(moves(&decisions), []);
    assert_eq!(decisions.state, Some(Level::Calm));
}

#[test]
fn a_soft_host_takes_a_step_from_a_vm_with_room() {
    let decisions = soft(&[vm(1)]);
    assert_eq!(decisions.state, Some(Level::Soft));
    // 5 % of 4 GiB.
    assert_eq!(moves(&decisions), [(id(1), "pressure", -204)]);
    let Reason::Short { host, .. } = &decisions.actions[0].reason else { panic!("{decisions:?}") };
    assert_eq!(host.share, 15.625);
}

#[test]
fn what_guests_use_is_taken_only_where_the_host_pays_for_it() {
    let taken = |available, vm: VmObservation| {
        let look = |second| host(second, available, vec![vm.clone()]);
        moves(&after(&mut slow_swap(Rules::default()), 1..3, look))
    };
    let unused = with(|vm| vm.dead = Some(Bytes(2 * GIB)));
    assert_eq!(taken(5 * 1024, vm(1)), []);
    // Of its 2 GiB that are free, 40 % of its size stay so.
    assert_eq!(taken(5 * 1024, unused), [(id(1), "dead", -409)]);
    // Of what the host keeps beside, 256 MiB may be the VMM's.
    let less = with(|vm| vm.dead = Some(Bytes(GIB / 2)));
    assert_eq!(taken(3 * 1024, less), [(id(1), "dead", -256)]);
    // Less than 5 %, and somebody waits, or may be killed.
    assert_eq!(taken(1500, vm(1)), []);
    let waits = with(|vm| vm.stalled = Some(Percent(2.0)));
    assert_eq!(taken(1500, waits), [(id(1), "pressure", -138)]);
    let full = |second| {
        let mut look = host(second, 1500, vec![vm(1)]);
        look.scope.swap_free = Some(Bytes(GIB / 2));
        look
    };
    let decisions = after(&mut slow_swap(Rules::default()), 1..3, full);
    assert_eq!(moves(&decisions), [(id(1), "pressure", -138)]);
}

#[test]
fn what_guests_use_is_taken_for_one_that_thrashes_though_nobody_waits_for_the_host() {
    let look = |faults: f64| {
        let mut thrashing = with(|vm| vm.id = id(2));
        thrashing.guest.iter_mut().for_each(|guest| guest.major_faults = Some(Rate(faults)));
        let of = |second| host(second, 1500, vec![vm(1), thrashing.clone()]);
        let decisions = after(&mut slow_swap(Rules::default()), 1..3, of);
        moves(&decisions).iter().any(|(vm, rule, _)| (*vm, *rule) == (id(1), "pressure"))
    };
    assert!(look(1000.0));
    assert!(!look(90.0), "any program's start faults");
}

#[test]
fn the_first_look_decides_nothing() {
    let mut policy = slow_swap(Rules::default());
    assert_eq!(moves(&policy.step(&host(1, 1024, vec![vm(1)]))), []);
}

#[test]
fn the_less_is_available_the_larger_the_step_where_the_swap_is_full_or_there_is_less_and_less() {
    let steps = |swap_free: Option<Bytes>, before: Option<u64>| {
        [5 * 1024, 3 * 1024, 1024].map(|available| {
            let mut policy = slow_swap(Rules::default());
            for second in 1..4 {
                policy.step(&host(second, before.unwrap_or(available), vec![vm(1)]));
            }
            let mut look = pressed(4, available, vec![vm(1)]);
            look.scope.swap_free = swap_free;
            moves(&policy.step(&look))[0].2
        })
    };
    let (room, none) = (Some(Bytes(8 * GIB)), Some(Bytes(0)));
    assert_eq!(steps(room, None), [-204, -204, -204], "there is time to see what each costs");
    assert_eq!(steps(None, None), [-204, -204, -204]);
    assert_eq!(steps(none, None), [-204, -409, -819]);
    assert_eq!(steps(room, Some(20 * 1024)), [-204, -409, -819]);
}

#[test]
fn each_closed_gate_keeps_a_vm_from_giving_and_says_why() {
    use GateKind::{AtEase, Balloon, Booted, Room, Running, Statistics, Unpinned};
    use SymptomKind::{GuestAvailable, GuestMajorFaults};
    let seconds = |seconds: u64| Nanos(seconds * Nanos::SECOND.0);
    let paused = Reason::NotRunning { state: VmState::Paused };
    let migrating = Reason::NotRunning { state: VmState::Migrating };
    let booting = Reason::Booted { time: seconds(39), needed: seconds(40) };
    let stale = Reason::Stale { age: seconds(6), limit: seconds(5) };
    let lacks = Reason::GuestLacks { what: GuestMemory::Available };
    let exact: Vec<(GateKind, Reason, VmObservation)> = vec![
        (Running, paused, with(|vm| vm.state = Some(VmState::Paused))),
        (Running, migrating, with(|vm| vm.state = Some(VmState::Migrating))),
        (Running, Reason::StateUnknown, with(|vm| vm.state = None)),
        (Balloon, Reason::NoConnection, with(|vm| vm.no_balloon = Some(Reason::NoConnection))),
        (Balloon, Reason::SizeUnknown, with(|vm| vm.actual = None)),
        (Unpinned, Reason::PassedThrough, with(|vm| vm.pinned = Some(Reason::PassedThrough))),
        (Booted, booting, with(|vm| vm.cpu_time = Some(seconds(39)))),
        (Booted, Reason::CpuTimeUnknown, with(|vm| vm.vcpus = None)),
        (Statistics, Reason::NoStatistics, with(|vm| vm.guest = None)),
        (Statistics, stale, guest(|guest| guest.age = Some(seconds(6)))),
        (Statistics, Reason::StatisticsAgeUnknown, guest(|guest| guest.age = None)),
        (Statistics, lacks, guest(|guest| guest.available = None)),
        (
            AtEase,
            Reason::DistressUnknown { unknown: vec![GuestMajorFaults] },
            guest(|guest| {
                guest.available = Some(Bytes(500 * MIB));
                guest.major_faults = Some(Rate(f64::NAN));
            }),
        ),
    ];
    for (kind, reason, vm) in exact {
        let decisions = soft(std::slice::from_ref(&vm));
        assert_eq!(moves(&decisions), [], "{kind:?}: {reason:?}");
        assert_eq!(gate(&decisions, Some(id(1)), kind), (false, reason));
    }
    let low = guest(|guest| guest.available = Some(Bytes(100 * MIB)));
    let decisions = soft(&[low]);
    assert_eq!(moves(&decisions), []);
    let Reason::InDistress { symptoms } = gate(&decisions, Some(id(1)), AtEase).1 else {
        panic!("{decisions:?}")
    };
    assert!(symptoms.iter().any(|one| one.kind == GuestAvailable), "{symptoms:?}");
    let full = guest(|guest| guest.available = Some(Bytes(900 * MIB)));
    let (open, reason) = gate(&soft(std::slice::from_ref(&full)), Some(id(1)), Room);
    assert!(!open && matches!(reason, Reason::Room { .. }), "{reason:?}");
}

/// Otherwise no VM would give on a host that swaps all of its VMs.
#[test]
fn what_a_vm_suffers_from_the_host_does_not_keep_it_from_giving() {
    for suffering in [
        with(|vm| vm.swap_in = Some(ByteRate(2.0 * MIB as f64))),
        with(|vm| vm.async_faults = Some(Rate(300.0))),
        with(|vm| vm.stalled = Some(Percent(20.0))),
        with(|vm| vm.stalled = None),
    ] {
        assert_eq!(moves(&soft(&[suffering])), [(id(1), "pressure", -204)]);
    }
}

#[test]
fn a_guest_whose_word_cannot_be_true_is_not_believed() {
    let cases = [
        guest(|guest| guest.available = Some(Bytes(5 * GIB))),
        guest(|guest| guest.free = Some(Bytes(u64::MAX))),
        guest(|guest| guest.total = Some(Bytes(9 * GIB))),
        // Uses 3 GiB, of which the host has seen 1.
        with(|vm| {
            vm.rss = Some(Bytes(GIB));
            vm.guest.iter_mut().for_each(|guest| guest.available = Some(Bytes(GIB)));
        }),
        // Its balloon has 2 GiB, and the host keeps all of it.
        with(|vm| {
            vm.actual = Some(Bytes(2 * GIB));
            vm.guest.iter_mut().for_each(|guest| guest.available = Some(Bytes(GIB)));
        }),
    ];
    for vm in cases {
        let decisions = soft(std::slice::from_ref(&vm));
        assert_eq!(moves(&decisions), []);
        assert!(!gate(&decisions, Some(id(1)), GateKind::Statistics).0);
    }
}

#[test]
fn the_balloon_that_windows_counts_as_used_is_not_in_use() {
    // 4 GiB in total whatever the balloon has; 1 GiB of the 3 that are left is in use.
    let windows = with(|vm| {
        vm.actual = Some(Bytes(3 * GIB));
        vm.rss = Some(Bytes(3 * GIB));
        if let Some(guest) = &mut vm.guest {
            guest.total = Some(Bytes(4 * GIB));
            guest.free = Some(Bytes(GIB));
            guest.available = Some(Bytes(2 * GIB));
        }
    });
    let decisions = soft(&[windows]);
    let (_, reason) = gate(&decisions, Some(id(1)), GateKind::Statistics);
    assert!(matches!(reason, Reason::Used { used, .. } if used == Bytes(GIB)), "{reason:?}");
    assert_eq!(moves(&decisions).len(), 1);
}

#[test]
fn the_cool_down_is_kept() {
    let mut policy = slow_swap(Rules::default());
    let times: Vec<u64> = (1..14)
        .filter(|&second| !moves(&policy.step(&pressed(second, 5 * 1024, vec![vm(1)]))).is_empty())
        .collect();
    // It doesn't move, so it is stuck after the first.
    assert_eq!(times, [2]);
    let mut policy = slow_swap(Rules { without: [Safety::CoolDown].into(), ..Rules::default() });
    let mut size = 4 * GIB;
    let times: Vec<u64> = (1..6)
        .filter(|&second| {
            let now = with(|vm| {
                vm.actual = Some(Bytes(size));
            });
            let decisions = policy.step(&pressed(second, 5 * 1024, vec![now]));
            if let Some(Action::Balloon { to, .. }) =
                decisions.actions.first().map(|one| one.action)
            {
                size = to.0;
            }
            !decisions.actions.is_empty()
        })
        .collect();
    assert_eq!(times, [2, 3, 4, 5]);
}

#[test]
fn of_a_stuck_balloon_others_take_the_part() {
    let mut policy = slow_swap(Rules::default());
    let stuck = |second| pressed(second, 5 * 1024, vec![vm(1)]);
    after(&mut policy, 1..9, stuck);
    let both = |second| pressed(second, 5 * 1024, vec![vm(1), vm(2)]);
    let decisions = after(&mut policy, 9..11, both);
    let (open, reason) = gate(&decisions, Some(id(1)), GateKind::Moving);
    assert!(!open && matches!(reason, Reason::Stuck { flagged: false, .. }), "{reason:?}");
    assert_eq!(moves(&decisions), [(id(2), "pressure", -204)]);
    let decisions = after(&mut policy, 11..24, stuck);
    let (_, reason) = gate(&decisions, Some(id(1)), GateKind::Moving);
    assert!(matches!(reason, Reason::Stuck { flagged: true, .. }), "{reason:?}");
    assert_eq!(decisions.flagged, [id(1)]);
}

#[test]
fn a_balloon_that_somebody_else_moved_is_left_alone() {
    let mut policy = slow_swap(Rules::default());
    after(&mut policy, 1..3, |second| host(second, 20 * 1024, vec![vm(1)]));
    let set = |second| {
        pressed(
            second,
            5 * 1024,
            vec![with(|vm| {
                vm.actual = Some(Bytes(3 * GIB));
                vm.rss = Some(Bytes(3 * GIB));
                vm.guest.iter_mut().for_each(|guest| guest.available = Some(Bytes(2 * GIB)));
            })],
        )
    };
    let decisions = after(&mut policy, 3..60, set);
    assert_eq!(moves(&decisions), []);
    let (open, reason) = gate(&decisions, Some(id(1)), GateKind::OursAlone);
    let Reason::MovedByOthers { from, to, .. } = reason else { panic!("{reason:?}") };
    assert_eq!((open, from, to), (false, Bytes(4 * GIB), Bytes(3 * GIB)));
    let decisions = after(&mut policy, 60..605, set);
    assert_eq!(moves(&decisions).len(), 1, "after ten minutes it is taken up again");
}

#[test]
fn what_the_operator_says_of_a_vm_holds() {
    let settings = |settings: VmSettings| {
        let which = Which::Name("vm-1".into());
        let table = VmTable { which, settings, labels: Default::default() };
        let mut policy = slow_swap(Rules { vms: vec![table], ..Rules::default() });
        let decisions = after(&mut policy, 1..3, |second| pressed(second, 5 * 1024, vec![vm(1)]));
        moves(&decisions).len()
    };
    let none = VmSettings::default();
    assert_eq!(settings(none), 1);
    assert_eq!(settings(VmSettings { exclude: Some(true), ..none }), 0);
    assert_eq!(settings(VmSettings { weight: Some(0), ..none }), 0);
    assert_eq!(settings(VmSettings { minimum: Some(Bytes(4 * GIB)), ..none }), 0);
}

#[test]
fn more_weight_gives_less() {
    let table = VmTable {
        which: Which::Name("vm-1".into()),
        settings: VmSettings { weight: Some(4000), ..VmSettings::default() },
        labels: Default::default(),
    };
    let mut policy = slow_swap(Rules { vms: vec![table], ..Rules::default() });
    let decisions = after(&mut policy, 1..3, |second| pressed(second, 6200, vec![vm(1), vm(2)]));
    let given = moves(&decisions);
    assert_eq!(given.iter().map(|one| one.0).collect::<Vec<_>>(), [id(1), id(2)]);
    assert!(given[1].2 < given[0].2, "{given:?}");
}

#[test]
fn a_trend_is_met_before_the_edge() {
    let mut policy = slow_swap(Rules::default());
    // 200 MiB a second towards 5 % of 32 GiB.
    let falling = |second| -> Observation { host(second, 9000 - 200 * second, vec![vm(1)]) };
    let first = (1..40).find_map(|second| {
        let decisions = policy.step(&falling(second));
        moves(&decisions).first().map(|one| (second, one.1.to_owned()))
    });
    let (second, rule) = first.expect("it acts");
    assert_eq!(rule, "forecast");
    assert!(9000 - 200 * second > 1639, "{second}");
}

#[test]
fn a_few_seconds_trend_tells_of_the_next_ten_minutes_and_of_nothing_later() {
    let mut policy = slow_swap(Rules::default());
    // 10 MiB a second: 2.4 GiB to the edge of soft, 9 GiB to swap.
    let decisions = (1..12)
        .map(|second| policy.step(&host(second, 9000 - 10 * second, vec![vm(1)])))
        .last()
        .expect("some");
    let ahead: Vec<_> = decisions.ahead.iter().map(|ahead| ahead.what.word()).collect();
    assert_eq!(ahead, ["soft", "hard"], "{:?}", decisions.ahead);
    assert!(decisions.ahead.iter().all(|ahead| ahead.seconds < 600.0), "{:?}", decisions.ahead);
}

#[test]
fn a_state_is_left_only_some_points_above() {
    let level = |policy: &mut Memtrace, second, available| {
        policy.step(&host(second, available, Vec::new())).state.unwrap_or_default()
    };
    let mut policy = slow_swap(Rules::default());
    assert_eq!(level(&mut policy, 1, 6000), Level::Soft);
    assert_eq!(level(&mut policy, 2, 7000), Level::Soft, "21 %");
    assert_eq!(level(&mut policy, 3, 8300), Level::Calm);
    assert_eq!(level(&mut policy, 4, 7000), Level::Calm);
    assert_eq!(level(&mut policy, 5, 1000), Level::Low);
    assert_eq!(level(&mut policy, 6, 3000), Level::Low, "9 %");
    assert_eq!(level(&mut policy, 7, 3500), Level::Hard);
}

#[test]
fn what_would_have_to_be_known_is_named() {
    let vms = [guest(|guest| {
        guest.available = Some(Bytes(500 * MIB));
        guest.major_faults = None;
    })];
    let (_, reason) = gate(&soft(&vms), Some(id(1)), GateKind::AtEase);
    let unknown = vec![SymptomKind::GuestMajorFaults];
    assert_eq!(reason, Reason::DistressUnknown { unknown });
}

/// The traffic in both directions.
#[test]
fn guest_swap_traffic_is_named_once() {
    let at_ease = |swap: Option<ByteRate>| {
        let tight = guest(|guest| guest.available = Some(Bytes(300 * MIB)));
        let mut vms = [tight];
        for guest in vms.iter_mut().filter_map(|vm| vm.guest.as_mut()) {
            (guest.swap_in, guest.swap_out) = (swap, swap.map(|rate| ByteRate(rate.0 * 2.0)));
        }
        gate(&soft(&vms), Some(id(1)), GateKind::AtEase).1
    };
    let unknown = vec![SymptomKind::GuestSwap];
    assert_eq!(at_ease(None), Reason::DistressUnknown { unknown });
    let Reason::InDistress { symptoms } = at_ease(Some(ByteRate(2.0 * MIB as f64))) else {
        panic!("it is in distress")
    };
    let swaps = symptoms.iter().filter(|one| one.kind == SymptomKind::GuestSwap);
    assert_eq!(swaps.map(|one| one.value / MIB as f64).collect::<Vec<_>>(), [4.0]);
}

#[test]
fn what_balloons_could_give_is_told_and_what_is_not_known_counts_as_nothing() {
    let known = |change: fn(&mut VmObservation)| {
        let look = |second| {
            let mut other = vm(2);
            change(&mut other);
            host(second, 16 * 1024, vec![vm(1), other])
        };
        after(&mut slow_swap(Rules::default()), 1..40, look).reclaimable
    };
    let both = known(|_| {}).expect("the host is known");
    let one = known(|vm| vm.guest = None).expect("the host is known");
    assert!(one.0 >= GIB && both.0 == 2 * one.0, "{one:?} of {both:?}");
}
