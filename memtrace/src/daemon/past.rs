//! The samples that later ones are compared with. A tick's snapshot is over the time since
//! the tick before. What is decided by must not be over less time than its limits are made
//! for, however soon one look follows another: rates over a few milliseconds are noise.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sample::Sample;

/// The policy's limits are for rates over a second.
const LEAST: Duration = Duration::from_secs(1);

/// The shortest time that is decided by, with ticks so far apart. A tick may come a little
/// early after one that was late.
pub(super) fn shortest(interval: Duration) -> Duration {
    interval.min(LEAST) * 9 / 10
}

/// At most three samples.
#[derive(Default)]
pub(super) struct Past {
    tick: Option<Arc<Sample>>,
    /// At least the shortest time apart, newest last; two are enough.
    anchors: VecDeque<(Instant, Arc<Sample>)>,
}

impl Past {
    /// Of the last tick.
    pub(super) fn tick(&self) -> Option<&Arc<Sample>> {
        self.tick.as_ref()
    }

    /// The newest that is at least `shortest` old.
    pub(super) fn baseline(&self, now: Instant, shortest: Duration) -> Option<&Arc<Sample>> {
        let old = |at: Instant| now.saturating_duration_since(at) >= shortest;
        self.anchors.iter().rev().find(|(at, _)| old(*at)).map(|(_, sample)| sample)
    }

    /// Since when there is a baseline, or from when on.
    pub(super) fn ready(&self, shortest: Duration) -> Option<Instant> {
        self.anchors.front().map(|(at, _)| *at + shortest)
    }

    pub(super) fn keep_tick(&mut self, sample: Arc<Sample>) {
        self.tick = Some(sample);
    }

    pub(super) fn keep(&mut self, at: Instant, sample: Arc<Sample>, shortest: Duration) {
        let near = |(last, _): &(Instant, _)| at.saturating_duration_since(*last) < shortest;
        if self.anchors.back().is_some_and(near) {
            return;
        }
        self.anchors.push_back((at, sample));
        while self.anchors.len() > 2 {
            self.anchors.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::fixture;

    const SHORTEST: Duration = Duration::from_millis(900);

    /// Looks at these moments (milliseconds); for each the age of what it was compared with.
    fn ages(moments: &[u64]) -> Vec<Option<u64>> {
        let start = Instant::now();
        let mut past = Past::default();
        let look = |&moment: &u64| {
            let at = start + Duration::from_millis(moment);
            let baseline = past.baseline(at, SHORTEST).map(|sample| sample.at.0);
            let sample = fixture::sample(0, Vec::new());
            let sample = Sample { at: crate::units::Nanos(moment), ..sample };
            past.keep(at, Arc::new(sample), SHORTEST);
            baseline.map(|before| moment - before)
        };
        moments.iter().map(look).collect()
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
        let mut past = Past::default();
        assert_eq!(past.ready(SHORTEST), None);
        let at = Instant::now();
        past.keep(at, Arc::new(fixture::sample(0, Vec::new())), SHORTEST);
        assert_eq!(past.ready(SHORTEST), Some(at + SHORTEST));
    }

    #[test]
    fn ticks_that_are_close_are_as_good_as_their_distance() {
        assert_eq!(shortest(Duration::from_secs(60)), SHORTEST);
        assert_eq!(shortest(Duration::from_millis(100)), Duration::from_millis(90));
    }
}
