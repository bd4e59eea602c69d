//! How often another memtrace takes samples, and whether it still does. Pure.

use std::time::Duration;

use memtrace_core::units::Nanos;

/// Least age of the newest sample at which it counts as late: a busy host delays some by seconds.
const LEAST: Duration = Duration::from_secs(10);
/// Most: an interval is a minute at most.
const MOST: Duration = Duration::from_secs(120);
/// So many intervals without a sample are too many.
const INTERVALS: u32 = 3;

/// The times of the last two samples, by the clock of this host.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rhythm {
    last: Option<Nanos>,
    interval: Option<Duration>,
}

impl Rhythm {
    pub(super) fn note(&mut self, at: Nanos) {
        let since = |last: Nanos| Duration::from_nanos(at.saturating_sub(last).0);
        self.interval = self.last.map(since).or(self.interval);
        self.last = Some(at);
    }

    /// Age of the newest sample at the time `now`, where there should be a newer one. `None`: it
    /// is not late, or nobody can tell before there are two.
    pub(super) fn late(&self, now: Nanos) -> Option<Duration> {
        let age = Duration::from_nanos(now.saturating_sub(self.last?).0);
        let most = self.interval?.saturating_mul(INTERVALS).clamp(LEAST, MOST);
        (age > most).then_some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(seconds: &[u64], now: u64) -> Option<u64> {
        let of = |seconds: u64| Nanos(seconds * 1_000_000_000);
        let mut rhythm = Rhythm::default();
        seconds.iter().for_each(|at| rhythm.note(of(*at)));
        rhythm.late(of(now)).map(|age| age.as_secs())
    }

    #[test]
    fn a_sample_is_late_after_some_intervals_and_some_seconds() {
        assert_eq!(late(&[100, 101], 111), None);
        assert_eq!(late(&[100, 101], 112), Some(11));
        assert_eq!(late(&[100, 110], 140), None);
        assert_eq!(late(&[100, 110], 141), Some(31));
        assert_eq!(late(&[100, 160], 280), None);
        assert_eq!(late(&[100, 160], 281), Some(121));
        // The last interval counts.
        assert_eq!(late(&[100, 160, 161], 172), Some(11));
    }

    #[test]
    fn before_there_are_two_and_from_a_clock_that_is_ahead_nothing_is_late() {
        assert_eq!(late(&[], 1000), None);
        assert_eq!(late(&[100], 1000), None);
        assert_eq!(late(&[2000, 2001], 1000), None);
        // The clock of another, set back: as if both came at once.
        assert_eq!(late(&[100, 50], 70), Some(20));
    }
}
