//! Baselines of rates that decisions depend on. A baseline is at least as old as the policy's
//! limits assume, however often the loop samples, because rates over a few milliseconds are noise.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::units::Nanos;

/// The policy's limits are for rates over a second.
const LEAST: Duration = Duration::from_secs(1);

/// Minimum age of a baseline for ticks at this interval. A tick that follows a late one may come a
/// little early.
pub fn shortest(interval: Duration) -> Duration {
    interval.min(LEAST) * 9 / 10
}

/// Whether a sample taken `now` is the next one for a reader that wants one in each `interval`. Those
/// of another process come when it takes them: some a little early.
pub fn is_due(last: Nanos, now: Nanos, interval: Duration) -> bool {
    now.since(last) >= interval * 9 / 10
}

/// When a sample was taken: live, or as it was recorded.
pub trait TimePoint: Copy {
    /// Zero if it was not earlier.
    fn since(self, earlier: Self) -> Duration;
}

impl TimePoint for Instant {
    fn since(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl TimePoint for Nanos {
    fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.saturating_sub(earlier).0)
    }
}

/// At most two samples, which are enough: at least the shortest time apart, newest last.
#[derive(Debug)]
pub struct Anchors<At, S> {
    kept: VecDeque<(At, S)>,
}

impl<At, S> Default for Anchors<At, S> {
    fn default() -> Self {
        Self { kept: VecDeque::new() }
    }
}

impl<At: TimePoint, S> Anchors<At, S> {
    /// The newest that is at least `shortest` old.
    pub fn baseline(&self, now: At, shortest: Duration) -> Option<&S> {
        let old = |at: At| now.since(at) >= shortest;
        self.kept.iter().rev().find(|(at, _)| old(*at)).map(|(_, sample)| sample)
    }

    /// When the oldest was taken: `shortest` later there is a baseline.
    pub fn oldest(&self) -> Option<At> {
        self.kept.front().map(|(at, _)| *at)
    }

    pub fn newest(&self) -> Option<At> {
        self.kept.back().map(|(at, _)| *at)
    }

    /// Unless it is too near to the one before.
    pub fn keep(&mut self, at: At, sample: S, shortest: Duration) {
        if self.newest().is_some_and(|last| at.since(last) < shortest) {
            return;
        }
        self.kept.push_back((at, sample));
        while self.kept.len() > 2 {
            self.kept.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "either clock has to do")]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_millis(900);

    /// Looks at these moments (milliseconds); for each the age of what it was compared with.
    fn ages(moments: &[u64]) -> Vec<Option<u64>> {
        let start = Instant::now();
        let mut live = Anchors::default();
        let mut recorded = Anchors::default();
        let mut look = |&moment: &u64| {
            let at = start + Duration::from_millis(moment);
            let baseline = live.baseline(at, SHORTEST).copied();
            live.keep(at, moment, SHORTEST);
            let at = Nanos(moment * 1_000_000);
            assert_eq!(recorded.baseline(at, SHORTEST).copied(), baseline, "by either clock");
            recorded.keep(at, moment, SHORTEST);
            baseline.map(|before| moment - before)
        };
        moments.iter().map(&mut look).collect()
    }

    #[test]
    fn ticks_are_compared_with_the_tick_before() {
        assert_eq!(ages(&[0, 1000, 1990, 3005]), [None, Some(1000), Some(990), Some(1015)]);
    }

    #[test]
    fn looks_between_ticks_reach_back_far_enough() {
        let ages = ages(&[0, 1000, 1001, 1250, 1500, 1750, 2000, 2001, 59_990, 60_000, 60_010]);
        assert_eq!(ages[..2], [None, Some(1000)]);
        for age in &ages[2..] {
            assert!(age.is_some_and(|age| age >= 900), "{ages:?}");
        }
        // And not much further while looks come often.
        assert!(ages[2..8].iter().flatten().all(|age| *age < 1800), "{ages:?}");
    }

    #[test]
    fn soon_after_the_start_there_is_nothing_to_compare_with() {
        assert_eq!(ages(&[0, 100, 899, 901]), [None, None, None, Some(901)]);
        let mut anchors = Anchors::default();
        assert_eq!(anchors.oldest(), None);
        let at = Instant::now();
        for later in [0, 100, 1000] {
            anchors.keep(at + Duration::from_millis(later), (), SHORTEST);
        }
        assert_eq!(anchors.oldest(), Some(at));
        assert_eq!(anchors.newest(), Some(at + Duration::from_secs(1)));
    }

    #[test]
    fn ticks_that_are_close_are_as_good_as_their_distance() {
        assert_eq!(shortest(Duration::from_secs(60)), SHORTEST);
        assert_eq!(shortest(Duration::from_millis(100)), Duration::from_millis(90));
    }
}
