//! Schedules samples before the tick: as soon as pressure begins, with a rate limit. Pure.

use std::time::{Duration, Instant};

/// Minimum time between two early samples. Balloons move in seconds.
const PAUSE: Duration = Duration::from_millis(250);
/// The pause after an early sample as a multiple of its cost: early samples take at most 5 % of a
/// CPU, for any number of VMs.
const SHARE: u32 = 20;
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Urgency {
    asked: bool,
    /// Not before then.
    earliest: Option<Instant>,
}

impl Urgency {
    /// Notes a sign of pressure.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// When to sample; in the past means now. `None`: no early sample.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.asked.then(|| self.earliest.unwrap_or(now))
    }

    /// Notes a sample, which covers earlier signs. `cost`: CPU time, if it was an early one.
    pub(super) fn looked(&mut self, begun: Instant, cost: Option<Duration>) {
        self.asked = false;
        if let Some(cost) = cost {
            self.earliest = Some(begun + cost.saturating_mul(SHARE).clamp(PAUSE, LONGEST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Option<Duration> = Some(Duration::from_millis(2));

    #[test]
    fn the_first_sign_is_looked_at_at_once_and_the_next_ones_after_a_pause() {
        let begun = Instant::now();
        let mut urgency = Urgency::default();
        assert_eq!(urgency.due(begun), None);
        urgency.ask();
        assert_eq!(urgency.due(begun), Some(begun));
        urgency.looked(begun, CHEAP);
        assert_eq!(urgency.due(begun), None);
        urgency.ask();
        urgency.ask();
        assert_eq!(urgency.due(begun), Some(begun + PAUSE));
    }

    #[test]
    fn a_tick_answers_it_and_delays_nothing() {
        let begun = Instant::now();
        let mut urgency = Urgency::default();
        urgency.ask();
        urgency.looked(begun, None);
        assert_eq!(urgency.due(begun), None);
        urgency.ask();
        assert_eq!(urgency.due(begun), Some(begun));
    }

    #[test]
    fn looks_that_cost_much_are_few() {
        let begun = Instant::now();
        let mut urgency = Urgency::default();
        urgency.looked(begun, Some(Duration::from_millis(50)));
        urgency.ask();
        assert_eq!(urgency.due(begun), Some(begun + Duration::from_secs(1)));
        urgency.looked(begun, Some(Duration::MAX));
        urgency.ask();
        assert_eq!(urgency.due(begun), Some(begun + LONGEST));
    }
}
