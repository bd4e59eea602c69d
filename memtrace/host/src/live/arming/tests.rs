//! When hooks are attached and detached, and what counts as missed.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = Nanos::SECOND.0;

fn traffic(scanned: u64, out: u64, back: u64) -> Option<Traffic> {
    Some(Traffic { scanned, out, back })
}

/// What a live source does in a sample.
fn tick(arming: &mut Arming, now: Nanos, traffic: Option<Traffic>) {
    arming.look(now, traffic);
    match (arming.is_attached(), arming.is_wanted(now)) {
        (false, true) => arming.attached(now, traffic),
        (true, false) => arming.detached(now),
        _ => {}
    }
}

/// Detached since second 10.
fn resting() -> Arming {
    let mut arming = Arming::new(Nanos(0));
    tick(&mut arming, Nanos(0), traffic(100, 10, 1));
    tick(&mut arming, Nanos(10 * SECOND), traffic(100, 10, 1));
    assert!(!arming.is_attached());
    arming.take();
    arming
}

#[test]
fn they_are_detached_after_ten_seconds_of_calm_and_no_sooner() {
    let mut arming = Arming::new(Nanos(0));
    for second in 0..10 {
        tick(&mut arming, Nanos(second * SECOND), traffic(5, 5, 5));
        assert!(arming.is_attached(), "second {second}");
    }
    tick(&mut arming, Nanos(10 * SECOND), traffic(5, 5, 5));
    assert!(!arming.is_attached());
    assert_eq!(arming.sample().since, Nanos(10 * SECOND));
    assert_eq!(arming.missed(), 0);
}

#[test]
fn a_sign_starts_the_calm_anew() {
    let mut arming = Arming::new(Nanos(0));
    tick(&mut arming, Nanos(0), traffic(5, 5, 5));
    arming.sign(Nanos(9 * SECOND));
    tick(&mut arming, Nanos(18 * SECOND), traffic(5, 5, 5));
    assert!(arming.is_attached());
    tick(&mut arming, Nanos(19 * SECOND), traffic(5, 5, 5));
    assert!(!arming.is_attached());
}

#[test]
fn every_total_that_moves_attaches_them() {
    for moved in [traffic(101, 10, 1), traffic(100, 11, 1), traffic(100, 10, 2)] {
        let mut arming = resting();
        tick(&mut arming, Nanos(11 * SECOND), moved);
        assert!(arming.is_attached(), "{moved:?}");
        assert_eq!(arming.take(), Rest { rested: true, stirred: true });
        assert_eq!(arming.take(), Rest::default());
    }
}

#[test]
fn what_reclaim_looked_at_until_they_were_attached_may_be_missed() {
    let mut arming = resting();
    arming.sign(Nanos(10 * SECOND + 5));
    arming.attached(Nanos(10 * SECOND + 6), traffic(140, 30, 1));
    assert_eq!(arming.missed(), 40);
    // From then on the hooks see it.
    tick(&mut arming, Nanos(11 * SECOND), traffic(9000, 4000, 1));
    assert_eq!(arming.missed(), 40);
    assert_eq!(arming.sample().since, Nanos(10 * SECOND + 6));
}

#[test]
fn pages_that_were_written_without_a_look_count_as_well() {
    let mut arming = resting();
    tick(&mut arming, Nanos(11 * SECOND), traffic(100, 17, 1));
    assert_eq!(arming.missed(), 7);
    // Pages that only came back were taken from nobody.
    let mut arming = resting();
    tick(&mut arming, Nanos(11 * SECOND), traffic(100, 10, 50));
    assert_eq!(arming.missed(), 0);
}

#[test]
fn without_the_hosts_totals_there_is_no_calm() {
    let mut arming = Arming::new(Nanos(0));
    for second in 0..60 {
        tick(&mut arming, Nanos(second * SECOND), None);
        assert!(arming.is_attached());
    }
    let mut arming = resting();
    tick(&mut arming, Nanos(11 * SECOND), None);
    assert!(arming.is_attached());
}

#[test]
fn older_kernels_tell_no_traffic() {
    let vmstat = Vmstat { pswpin: Some(1), pswpout: Some(2), ..Vmstat::default() };
    assert_eq!(Traffic::of(&vmstat), None);
    let vmstat = Vmstat { pgscan_anon: Some(3), zswpout: Some(40), ..vmstat };
    assert_eq!(Traffic::of(&vmstat), traffic(3, 42, 1));
}

proptest! {
    /// Seconds with pages that were looked at, written and read, and with or without an event.
    #[test]
    fn they_are_never_detached_while_memory_is_reclaimed_or_swapped(
        seconds in prop::collection::vec((0_u64..3, 0_u64..3, 0_u64..3, any::<bool>(), 0_u64..4), 1..200),
    ) {
        let mut arming = Arming::new(Nanos(0));
        let (mut total, mut seen, mut all) = ([0; 3], 0, 0);
        let mut last_sign = Nanos(0);
        for (second, (scanned, out, back, event, idle)) in (0..).zip(seconds) {
            let now = Nanos(second * SECOND);
            // Most seconds are idle ones.
            let busy = idle == 0;
            let grown = if busy { [scanned, out, back] } else { [0; 3] };
            let was_attached = arming.is_attached();
            if busy && event {
                arming.sign(now);
                last_sign = now;
            }
            for (total, grown) in total.iter_mut().zip(grown) {
                *total += grown;
            }
            if grown != [0; 3] || second == 0 {
                last_sign = now;
            }
            let moved = total;
            tick(&mut arming, now, traffic(moved[0], moved[1], moved[2]));
            let calm = now.saturating_sub(last_sign).0 >= CALM.0;
            prop_assert_eq!(arming.is_attached(), !calm, "second {}", second);
            // What the hooks saw and what may be missed make all of it.
            let taken = grown[0].max(grown[1]);
            all += taken;
            if was_attached {
                seen += taken;
            }
            prop_assert_eq!(seen + arming.missed(), all);
        }
    }
}
