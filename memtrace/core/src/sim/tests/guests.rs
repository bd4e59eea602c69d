//! What guests do beyond running: ask before they allocate, report free pages, swap into
//! zram, reboot; and the work they get done.

use super::super::memory::PageKind;
use super::super::outcome::RunOutcome;
use super::super::run;
use super::super::size::Size;
use super::*;
use crate::policy::{Decisions, Observation, Policy};

/// Turns of 20 s in 60, from second 10.
const TURNS: &str = "{ kind = \"bursty\", quiet = { hot = \"256 MiB\" }, \
     busy = { hot = \"1500 MiB\" }, first = 10, every = 30, lasts = 15 }";

/// Tells all VMs one size in the first second.
struct Tells(u64);

impl Policy for Tells {
    fn name(&self) -> &'static str {
        "tells"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let first = observation.at.0 == 1_000_000_000;
        let vms = observation.vms.iter().filter(|_| first);
        let to = Bytes(self.0 * MIB);
        let action = |from| Action::Balloon { from, to };
        let actions = vms.filter_map(|vm| {
            Some(crate::policy::Decision {
                vm: vm.id,
                action: action(vm.actual?),
                rule: crate::policy::RuleId::Other,
                reason: crate::policy::Reason::Unrecorded,
            })
        });
        Decisions { actions: actions.collect(), ..Decisions::default() }
    }
}

fn outcome(rest: &str, size: u64) -> RunOutcome {
    run(&scenario(&vm("a", rest, TURNS)), &mut Tells(size)).expect("physics hold")
}

#[test]
fn who_asks_first_is_refused_what_a_small_guest_has_not() {
    let (free, tight) = (outcome("asks_first = true", 2048), outcome("asks_first = true", 1024));
    assert_eq!((free.refused_allocations, free.guest_ooms), (0, 0));
    assert!(free.work_percent() > 90.0, "{free:?}");
    // One turn at second 10, one at 40; no VM waits, and the work isn't done.
    assert_eq!((tight.refused_allocations, tight.guest_ooms), (2, 0));
    assert!(tight.work_percent() < 60.0 && tight.stall_seconds < 1.0, "{tight:?}");
    assert!((tight.work_wanted_gib - free.work_wanted_gib).abs() < 1e-9);
}

#[test]
fn who_does_not_ask_runs_out_of_memory_and_loses_work_as_well() {
    let tight = outcome("", 1024);
    assert_eq!(tight.refused_allocations, 0);
    assert!(tight.guest_ooms > 0 && tight.work_percent() < 80.0, "{tight:?}");
}

#[test]
fn work_that_waits_for_the_host_s_swap_is_not_done() {
    let load = [vm("a", "", &steady(1900, 0)), vm("b", "", &growing(256, 1960))].concat();
    let outcome = run(&scenario(&load), &mut Tells(4096)).expect("physics hold");
    assert!(outcome.work_percent() < 97.0, "{outcome:?}");
}

#[test]
fn reported_free_pages_are_the_host_s() {
    let dead = "dead = { resident = \"1 GiB\" }\nfree_page_reporting =";
    let rss = |on: bool| {
        let mut host = host(&vm("a", &format!("{dead} {on}"), &steady(256, 0)));
        mib(pass(&mut host, 10).vms[0].process.rss)
    };
    assert_eq!(rss(false), 1280);
    // What lies in small blocks stays.
    assert!((256..450).contains(&rss(true)), "{}", rss(true));
}

#[test]
fn a_balloon_that_lets_go_leaves_the_total_as_it_is() {
    let total = |rest: &str| {
        let mut host = host(&vm("a", rest, &steady(256, 0)));
        tell(&mut host, 0, 1024);
        let guest = pass(&mut host, 20).vms[0].guest.clone();
        (mib(guest.actual), mib(guest.stats.and_then(|stats| stats.total)))
    };
    assert_eq!(total(""), (1024, 1024));
    assert_eq!(total("deflate_on_oom = true"), (1024, 2048));
}

#[test]
fn a_full_guest_keeps_free_what_it_does_at_its_full_size() {
    let mut host = host(&vm("a", "", &steady(256, 1400)));
    tell(&mut host, 0, 768);
    let stats = pass(&mut host, 20).vms[0].guest.stats.expect("it tells");
    // 44 MiB for huge pages in two zones, and twice a quarter of that.
    assert_eq!(mib(stats.free), 66);
}

#[test]
fn a_reboot_empties_the_guest_and_its_balloon_comes_back() {
    let mut host = host(&vm("a", "reboots = 20", &steady(512, 512)));
    pass(&mut host, 2);
    tell(&mut host, 0, 1024);
    let before = pass(&mut host, 17);
    assert_eq!(mib(before.vms[0].guest.actual), 1024);
    let during = pass(&mut host, 10);
    assert_eq!(mib(during.vms[0].guest.actual), 2048);
    assert!(mib(during.vms[0].guest.stats.and_then(|stats| stats.free)) < 200, "as it was");
    assert!(host.vms[0].guest.hot() < Size::mib(256).pages());
    let after = pass(&mut host, 40);
    assert_eq!(mib(after.vms[0].guest.actual), 1024);
    let stats = after.vms[0].guest.stats.expect("it tells again");
    assert!(stats.minor_faults < Some(60 * 100), "{stats:?}");
}

#[test]
fn a_guest_s_zram_is_faster_than_its_disk() {
    let load = "{ kind = \"bursty\", quiet = { hot = \"256 MiB\", cold = \"600 MiB\" }, \
         busy = { hot = \"900 MiB\", cold = \"600 MiB\" }, first = 10, every = 99, lasts = 99 }";
    let waited = |kind: &str| {
        let own = format!("own_swap = \"1 GiB\"\nown_swap_kind = \"{kind}\"");
        run(&scenario(&vm("a", &own, load)), &mut Tells(1024)).expect("physics hold").stall_seconds
    };
    let (disk, zram) = (waited("disk"), waited("zram"));
    assert!(zram > 0.0 && zram * 3.0 < disk, "{zram} and {disk}");
}

#[test]
fn the_host_s_zram_holds_more_than_it_takes() {
    let load = [vm("a", "", &steady(512, 1400)), vm("b", "", &growing(256, 1960))].concat();
    let mut scenario = scenario(&load);
    scenario.host.swap.zram = true;
    let mut host = Host::new(&scenario).expect("it begins");
    let sample = pass(&mut host, 60);
    assert!(host.swap.used > 0, "{:?}", host.swap);
    assert_eq!(host.swap.stored(), host.swap.used * 33 / 100);
    assert!(sample.host.swaps.is_some_and(|swaps| swaps.len() == 1));
}

#[test]
fn what_does_not_fit_in_the_beginning_is_in_swap() {
    let load = [vm("a", "", &steady(1900, 0)), vm("b", "", &steady(512, 1400))].concat();
    let host = host(&load);
    let swapped = |vm: usize| host.vms[vm].guest.memory.swapped();
    assert!(swapped(1) > 0 && swapped(0) == 0);
    assert_eq!(host.memory.free, host.memory.marks.low + 1);
    assert_eq!(host.vms[1].guest.memory[PageKind::CacheCold].swapped, swapped(1));
    let three = [load, vm("c", "", &steady(2000, 0)), vm("d", "", &steady(2000, 0))].concat();
    let error = Host::new(&scenario(&three)).expect_err("swap is too small").to_string();
    assert!(error.contains("don't fit"), "{error}");
}

#[test]
fn a_host_without_swap_has_no_device() {
    let mut scenario = scenario(&vm("a", "", &steady(512, 512)));
    scenario.host.swap.size = Size::default();
    let mut host = Host::new(&scenario).expect("it begins");
    assert_eq!(pass(&mut host, 5).host.swaps.map(|swaps| swaps.len()), Some(0));
}
