//! How long kswapd has worked: the rounds that have ended, which the programs count, and the
//! one that is under way. It may end between reading the one and the other. Pure.

use memtrace_core::units::Nanos;

/// Reads until no round has ended meanwhile, so often at most.
const TRIES: usize = 3;

/// What was read while the rounds under way stayed the same, and since when each is: a place
/// for each memory node, 0 where kswapd sleeps. Of a round that ended or began meanwhile it is
/// not known whether it has been counted; it is left out then.
pub(super) fn steadily<T>(
    mut since: impl FnMut() -> Vec<u64>,
    mut read: impl FnMut() -> T,
) -> (T, Vec<u64>) {
    let mut before = since();
    let mut tries = 1;
    loop {
        let found = read();
        let after = since();
        if before == after || tries == TRIES {
            let same = |(before, after): (&u64, &u64)| if before == after { *after } else { 0 };
            return (found, before.iter().zip(&after).map(same).collect());
        }
        before = after;
        tries += 1;
    }
}

/// The published total, which never falls: a fall would be taken for a counter reset.
#[derive(Debug, Default)]
pub(super) struct Active {
    told: u64,
}

impl Active {
    /// With `ended` nanoseconds of rounds that have ended, and those under way at `now`.
    pub(super) fn total(&mut self, ended: u64, under_way: &[u64], now: Nanos) -> u64 {
        let working = under_way.iter().filter(|since| **since > 0);
        let total =
            working.fold(ended, |total, since| total.saturating_add(now.0.saturating_sub(*since)));
        self.told = self.told.max(total);
        self.told
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// kswapd of one node: since when it works, and the time of its ended rounds.
    #[derive(Default)]
    struct Kswapd {
        since: Cell<u64>,
        ended: Cell<u64>,
    }

    impl Kswapd {
        fn sleeps(&self, now: u64) {
            self.ended.set(self.ended.get() + now - self.since.replace(0));
        }
    }

    /// Reads with something that happens after each look, as it does on another CPU.
    fn read(kswapd: &Kswapd, active: &mut Active, now: u64, mut happens: impl FnMut(usize)) -> u64 {
        let looks = Cell::new(0);
        let mut look = || {
            happens(looks.replace(looks.get() + 1));
        };
        let look = std::cell::RefCell::new(&mut look);
        let since = || {
            let since = vec![kswapd.since.get()];
            look.borrow_mut()();
            since
        };
        let ended = || {
            let ended = kswapd.ended.get();
            look.borrow_mut()();
            ended
        };
        let (ended, under_way) = steadily(since, ended);
        active.total(ended, &under_way, Nanos(now))
    }

    #[test]
    fn a_round_that_ends_between_two_looks_is_counted_once_and_nothing_falls() {
        for moment in 0..8 {
            let (kswapd, mut active) = (Kswapd::default(), Active::default());
            kswapd.since.set(100);
            assert_eq!(read(&kswapd, &mut active, 150, |_| {}), 50);
            let total = read(&kswapd, &mut active, 200, |look| {
                if look == moment {
                    kswapd.sleeps(201);
                }
            });
            assert!((50..=101).contains(&total), "{total} when it ends after look {moment}");
            if kswapd.since.get() > 0 {
                kswapd.sleeps(201);
            }
            assert_eq!(read(&kswapd, &mut active, 300, |_| {}), 101, "after look {moment}");
        }
    }

    #[test]
    fn a_kswapd_that_never_lets_one_read_costs_a_few_looks_and_no_time_twice() {
        let (kswapd, mut active) = (Kswapd::default(), Active::default());
        let looks = Cell::new(0);
        kswapd.since.set(1);
        let total = read(&kswapd, &mut active, 1000, |look| {
            looks.set(look + 1);
            match kswapd.since.get() {
                0 => kswapd.since.set(1000 + look as u64),
                _ => kswapd.sleeps(1000 + look as u64),
            }
        });
        assert!(looks.get() <= 1 + 2 * TRIES, "{} looks", looks.get());
        assert!(total <= 999 + looks.get() as u64, "{total}");
        kswapd.since.set(0);
        let later = read(&kswapd, &mut active, 2000, |_| {});
        assert!(later >= total, "{later} after {total}");
    }
}
