//! Memory, swap, balloons and guests, on small hosts.

use proptest::prelude::*;

use super::*;

#[test]
fn a_calm_host_swaps_nothing_and_nobody_waits() {
    let mut host = host(&vm("a", "", &steady(512, 512)));
    let sample = pass(&mut host, 30);
    let vmstat = sample.host.vmstat.expect("it is read");
    assert_eq!((vmstat.pswpin, vmstat.pswpout, vmstat.allocstall), (Some(0), Some(0), Some(0)));
    assert_eq!(sample.host.psi.expect("it is read").some.total_us, 0);
    assert_eq!(mib(sample.vms[0].process.rss), 1024);
}

#[test]
fn a_guest_that_grows_beyond_the_host_pushes_the_cold_out_first() {
    let load = [vm("cold", "", &steady(512, 1400)), vm("grows", "", &growing(256, 1960))].concat();
    let mut host = host(&load);
    let sample = pass(&mut host, 60);
    let [cold, grows] = [&sample.vms[0], &sample.vms[1]];
    let swapped = mib(cold.process.swap);
    assert!((350..=600).contains(&swapped), "{swapped} MiB");
    assert!(mib(grows.process.swap) < 100, "{:?}", grows.process.swap);
    let counters = grows.counters.expect("they are counted");
    assert!(counters.direct_reclaims > 0 && counters.direct_reclaim_ns > 0);
    let kswapd = crate::sample::Party::Kswapd;
    let flows = sample.flows.expect("they are counted");
    assert!(flows.iter().any(|flow| flow.causer == kswapd && flow.pages.0 > 0));
}

#[test]
fn two_working_sets_that_do_not_fit_thrash() {
    let load = [vm("a", "", &steady(1900, 0)), vm("b", "", &growing(256, 1960))].concat();
    let mut host = host(&load);
    pass(&mut host, 30);
    let before = host.vms.iter().map(|vm| vm.suffered.swap_wait_ns).sum::<u64>();
    let sample = pass(&mut host, 30);
    let waited = host.vms.iter().map(|vm| vm.suffered.swap_wait_ns).sum::<u64>() - before;
    assert!(waited > 10_000_000_000, "{waited} ns in 30 s");
    let psi = sample.host.psi.expect("it is read").some.avg10;
    assert!(psi > 20.0, "{psi}");
    assert!(sample.vms.iter().all(|vm| vm.counters.expect("counted").swap_in_pages > 1000));
}

#[test]
fn in_a_pool_waits_alone_are_pressure_and_no_kswapd() {
    let load = [vm("cold", "", &steady(512, 1400)), vm("grows", "", &growing(256, 1960))].concat();
    let pressure = |pool: bool| {
        let mut host = host(&load);
        host.memory.pool = pool;
        pass(&mut host, 60).host.psi.expect("it is read").some.total_us
    };
    let (alone, pool) = (pressure(false), pressure(true));
    assert!(pool > 0 && pool < alone, "{pool} us in a pool, {alone} on a host of its own");
}

#[test]
fn a_balloon_moves_at_its_speed_and_the_host_gets_what_was_resident() {
    let mut host = host(&vm("a", "", &steady(256, 1500)));
    let before = pass(&mut host, 2);
    tell(&mut host, 0, 1024);
    let one = pass(&mut host, 1);
    let moved = mib(before.vms[0].guest.actual) - mib(one.vms[0].guest.actual);
    assert!((128..=512).contains(&moved), "{moved} MiB in a second");
    let sample = pass(&mut host, 20);
    assert_eq!(mib(sample.vms[0].guest.actual), 1024);
    // It was full of caches; what was never touched gives nothing.
    let freed = mib(before.vms[0].process.rss) - mib(sample.vms[0].process.rss);
    assert!((700..=780).contains(&freed), "{freed} MiB");
    tell(&mut host, 0, 9999);
    assert_eq!(mib(pass(&mut host, 10).vms[0].guest.actual), 2048);
}

#[test]
fn balloons_that_are_stuck_slow_or_missing() {
    for (kind, expected) in [("stuck", 2048), ("half_stuck", 1536), ("slow", 1968)] {
        let mut host = host(&vm("a", &format!("balloon = \"{kind}\""), &steady(256, 0)));
        tell(&mut host, 0, 2048);
        pass(&mut host, 1);
        tell(&mut host, 0, 1024);
        let actual = mib(pass(&mut host, 20).vms[0].guest.actual);
        assert!(actual.abs_diff(expected) <= 1, "{kind}: {actual}");
    }
    let mut host = host(&vm("a", "balloon = \"none\"", &steady(256, 0)));
    let guest = pass(&mut host, 1).vms[0].guest.clone();
    assert_eq!(guest.actual, None);
    assert!(guest.problem.is_some());
}

#[test]
fn the_balloon_of_a_pinned_guest_frees_nothing() {
    let mut host = host(&vm("a", "pinned = true", &steady(256, 0)));
    tell(&mut host, 0, 1024);
    let sample = pass(&mut host, 20);
    assert_eq!(mib(sample.vms[0].guest.actual), 1024);
    assert_eq!(mib(sample.vms[0].process.rss), 2048);
    assert_eq!(sample.vms[0].vfio, Some(true));
    assert_eq!(host.breaches, 1);
}

#[test]
fn an_operator_s_hand_moves_a_balloon_and_is_to_be_respected() {
    let by_hand = "[[event]]\nkind = \"set_memory\"\nat = 5\nvm = \"a\"\nto = \"1 GiB\"\n";
    let mut host = host(&format!("{by_hand}{}", vm("a", "", &steady(256, 0))));
    pass(&mut host, 12);
    assert_eq!(mib(pass(&mut host, 1).vms[0].guest.actual), 1024);
    tell(&mut host, 0, 2048);
    assert_eq!(host.breaches, 1);
    pass(&mut host, 60);
    tell(&mut host, 0, 2048);
    assert_eq!(host.breaches, 1);
}

#[test]
fn a_guest_without_swap_that_grows_into_its_balloon_kills() {
    let mut host = host(&vm("a", "", &growing(256, 1500)));
    tell(&mut host, 0, 1024);
    pass(&mut host, 30);
    assert!(host.vms[0].guest.totals.ooms > 0);
}

#[test]
fn its_own_swap_or_a_balloon_that_lets_go_saves_it() {
    for saved in ["own_swap = \"1 GiB\"", "deflate_on_oom = true"] {
        let mut host = host(&vm("a", saved, &growing(256, 1500)));
        tell(&mut host, 0, 1024);
        let sample = pass(&mut host, 40);
        assert_eq!(host.vms[0].guest.totals.ooms, 0, "{saved}");
        let swapped = sample.vms[0].guest.stats.and_then(|stats| stats.swap_out);
        assert_eq!(swapped > Some(Bytes(0)), saved.starts_with("own"), "{saved}");
    }
}

#[test]
fn dead_memory_in_swap_is_read_to_be_overwritten_by_programs_or_for_the_balloon() {
    let dead = "dead = { resident = \"100 MiB\", swapped = \"1 GiB\" }";
    let read = |ballooned: bool| {
        let mut host = host(&vm("a", dead, &growing(512, 1900)));
        if ballooned {
            tell(&mut host, 0, 600);
            pass(&mut host, 5);
            tell(&mut host, 0, 2048);
        }
        pass(&mut host, 30);
        host.vms[0].suffered.swap_in
    };
    assert!(read(false) > 100_000, "{}", read(false));
    // The guest zeroes what it puts into its balloon.
    assert!(read(true) > 100_000, "{}", read(true));
}

#[test]
fn memory_reclaim_sends_cold_pages_to_swap() {
    let mut host = host(&vm("a", "", &steady(512, 1024)));
    pass(&mut host, 1);
    let order = Order {
        id: 7,
        vm: host.vms[0].guest.id,
        pid: 1000,
        name: "a".into(),
        action: Action::Reclaim { bytes: Bytes(100 * MIB) },
    };
    host.begin(&order);
    assert_eq!(
        host.ended().first().map(|outcome| (outcome.id, outcome.result.clone())),
        Some((7, Ok(())))
    );
    let swapped = mib(pass(&mut host, 10).vms[0].process.swap);
    // What of it was hot came back.
    assert!((90..=100).contains(&swapped), "{swapped} MiB");
}

#[test]
fn when_swap_is_full_and_nothing_is_left_the_largest_is_killed() {
    let load = [
        vm("a", "", &steady(1400, 0)),
        vm("b", "", &growing(256, 2000)),
        vm("c", "", &growing(256, 2000)),
        vm("d", "", &growing(256, 2000)),
    ];
    let mut host = host(&load.concat());
    pass(&mut host, 60);
    assert!(host.totals.kills > 0);
    assert!(host.vms.iter().any(|vm| vm.guest.gone));
}

#[test]
fn a_physics_that_loses_a_page_ends_the_run() {
    type Break = (&'static str, fn(&mut Host));
    let breaks: [Break; 3] = [
        ("host are accounted for", |host| host.memory.free -= 1),
        ("slots of", |host| host.swap.used += 1),
        ("has", |host| {
            host.vms[0].guest.memory[super::super::memory::PageKind::Free].untouched -= 1
        }),
    ];
    for (told, broken) in breaks {
        let mut host = host(&vm("a", "", &steady(256, 0)));
        pass(&mut host, 1);
        broken(&mut host);
        let error = host.sample(None).expect_err("it is noticed").to_string();
        assert!(error.contains("broken simulation in second 2") && error.contains(told), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is told to whatever guests, no page is made or lost.
    #[test]
    fn physics_hold_under_any_orders(
        guests in prop::collection::vec(
            (50_u64..500, 100_u64..2500, 0_usize..5, 0_usize..3), 1..5,
        ),
        orders in prop::collection::vec((0_usize..5, 0_u64..4000), 30),
    ) {
        let balloons = ["working", "stuck", "half_stuck", "slow", "none"];
        let extras = ["", "own_swap = \"512 MiB\"", "deflate_on_oom = true"];
        let mut text = String::new();
        for (index, (quiet, busy, balloon, extra)) in guests.iter().enumerate() {
            let rest = format!("balloon = \"{}\"\n{}", balloons[*balloon], extras[*extra]);
            text += &vm(&format!("g{index}"), &rest, &growing(*quiet, *busy));
        }
        let mut host = host(&text);
        for (vm, size) in orders {
            tell(&mut host, vm % guests.len(), size);
            let sample = host.sample(None);
            prop_assert!(sample.is_ok(), "{:?}", sample.err());
        }
    }
}
