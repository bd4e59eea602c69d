//! Time series in a bounded number of buckets, whose width doubles as the recording gets longer.
//! Pure.

use memtrace_core::units::{Nanos, WallNanos};

/// Most buckets of a series: about as many as a plot has points.
pub const BUCKETS: usize = 480;

/// Which time each bucket stands for; all series of a report share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    pub begin: WallNanos,
    /// Of a bucket.
    pub width: Nanos,
    /// After the last moment.
    pub end: WallNanos,
}

impl Timeline {
    pub const fn new(begin: WallNanos) -> Self {
        Self { begin, width: Nanos::SECOND, end: begin }
    }

    /// Makes room up to `to`. Gives how often buckets became twice as wide, which each series
    /// has to follow.
    pub fn reach(&mut self, to: WallNanos) -> u32 {
        self.end = self.end.max(to);
        let length = self.end.0.saturating_sub(self.begin.0);
        let mut doubled = 0;
        // 480 times 2^55 ns is more than a u64 holds.
        while length / self.width.0 >= BUCKETS as u64 {
            self.width = Nanos(self.width.0.saturating_mul(2));
            doubled += 1;
        }
        doubled
    }

    /// The bucket of a moment.
    pub fn bucket(&self, at: WallNanos) -> usize {
        let bucket = at.0.saturating_sub(self.begin.0) / self.width.0;
        usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
    }

    /// How many buckets there are up to its end, which may lie in the middle of the last.
    pub fn buckets(&self) -> usize {
        let length = self.end.0.saturating_sub(self.begin.0);
        usize::try_from(length.div_ceil(self.width.0)).unwrap_or(BUCKETS).clamp(1, BUCKETS)
    }

    /// The buckets from one moment to another, with the seconds in each.
    pub fn split(self, from: WallNanos, to: WallNanos) -> impl Iterator<Item = (usize, f64)> {
        let (first, last) = (self.bucket(from), self.bucket(to));
        (first..=last).filter_map(move |bucket| {
            let begin = self.begin.0.saturating_add(self.width.0.saturating_mul(bucket as u64));
            let end = begin.saturating_add(self.width.0);
            let overlap = to.0.min(end).saturating_sub(from.0.max(begin));
            (overlap > 0).then(|| (bucket, Nanos(overlap).seconds()))
        })
    }
}

/// A number over time. A bucket in which it was never known is a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    /// Time in which it was known.
    seconds: f32,
    /// Value times seconds.
    sum: f32,
    pub least: f32,
    pub most: f32,
}

impl Bucket {
    pub fn is_known(&self) -> bool {
        self.seconds > 0.0
    }

    fn join(self, other: Self) -> Self {
        match (self.is_known(), other.is_known()) {
            (_, false) => self,
            (false, true) => other,
            (true, true) => Self {
                seconds: self.seconds + other.seconds,
                sum: self.sum + other.sum,
                least: self.least.min(other.least),
                most: self.most.max(other.most),
            },
        }
    }
}

impl Series {
    /// Adds that it was `value` from one moment to another. An unknown value adds nothing.
    pub fn add(&mut self, line: Timeline, (from, to): (WallNanos, WallNanos), value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let value = value as f32;
        for (index, seconds) in line.split(from, to) {
            let seconds = seconds as f32;
            let new = Bucket { seconds, sum: value * seconds, least: value, most: value };
            if self.buckets.len() <= index {
                self.buckets.resize(index + 1, Bucket::default());
            }
            if let Some(bucket) = self.buckets.get_mut(index) {
                *bucket = bucket.join(new);
            }
        }
    }

    /// Follows a timeline whose bucket width was doubled this many times.
    pub fn widen(&mut self, times: u32) {
        for _ in 0..times {
            let pairs = self.buckets.chunks(2);
            let joined = |pair: &[Bucket]| {
                pair.iter().fold(Bucket::default(), |one, other| one.join(*other))
            };
            self.buckets = pairs.map(joined).collect();
        }
    }

    /// From the timeline's first bucket to the last known one.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    pub fn most(&self) -> Option<f32> {
        self.known().map(|bucket| bucket.most).reduce(f32::max)
    }

    pub fn least(&self) -> Option<f32> {
        self.known().map(|bucket| bucket.least).reduce(f32::min)
    }

    fn known(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().filter(|bucket| bucket.is_known())
    }
}

/// In which buckets something happened, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    buckets: Vec<u32>,
}

impl Marks {
    pub fn add(&mut self, line: Timeline, at: WallNanos) {
        let index = line.bucket(at);
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    pub fn widen(&mut self, times: u32) {
        for _ in 0..times {
            let pairs = self.buckets.chunks(2);
            let sum = |pair: &[u32]| pair.iter().fold(0_u32, |sum, one| sum.saturating_add(*one));
            self.buckets = pairs.map(sum).collect();
        }
    }

    /// The buckets that have one.
    pub fn marked(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().enumerate().filter_map(|(index, count)| (*count > 0).then_some(index))
    }

    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = Nanos::SECOND.0;

    fn at(second: u64) -> WallNanos {
        WallNanos(second * SECOND)
    }

    impl Bucket {
        /// Over the time in which it was known.
        fn mean(&self) -> Option<f32> {
            self.is_known().then(|| self.sum / self.seconds)
        }
    }

    #[test]
    fn a_value_spreads_over_the_buckets_of_its_time_and_the_rest_is_a_gap() {
        let mut line = Timeline::new(at(100));
        assert_eq!(line.reach(at(110)), 0);
        let mut series = Series::default();
        series.add(line, (at(102), at(104)), Some(8.0));
        series.add(line, (at(104), at(105)), None);
        series.add(line, (at(105), at(106)), Some(f64::NAN));
        series.add(line, (at(106), at(107)), Some(0.0));
        let means: Vec<_> = series.buckets().iter().map(Bucket::mean).collect();
        let (gap, eight) = (None, Some(8.0));
        assert_eq!(means, [gap, gap, eight, eight, gap, gap, Some(0.0)]);
        assert_eq!((series.least(), series.most()), (Some(0.0), Some(8.0)));
    }

    #[test]
    fn wider_buckets_keep_the_mean_and_the_extremes() {
        let mut line = Timeline::new(at(0));
        let (mut series, mut marks) = (Series::default(), Marks::default());
        for second in 0..1000 {
            let doubled = line.reach(at(second + 1));
            series.widen(doubled);
            marks.widen(doubled);
            let value = if second == 500 { 90.0 } else { 10.0 };
            series.add(line, (at(second), at(second + 1)), Some(value));
            if second % 500 == 250 {
                marks.add(line, at(second));
            }
        }
        assert_eq!(line.width, Nanos(4 * SECOND));
        assert_eq!((series.buckets().len(), series.most()), (250, Some(90.0)));
        assert_eq!(series.buckets()[125].mean(), Some(30.0));
        assert_eq!(marks.marked().collect::<Vec<_>>(), [62, 187]);
    }

    proptest! {
        #[test]
        fn no_time_is_too_long_or_runs_too_oddly(
            begin in any::<u64>(),
            moments in prop::collection::vec((any::<u64>(), any::<u64>()), 1..20),
        ) {
            let mut line = Timeline::new(WallNanos(begin));
            let mut series = Series::default();
            for (from, to) in moments {
                series.widen(line.reach(WallNanos(to)));
                series.add(line, (WallNanos(from), WallNanos(to)), Some(1.0));
            }
            prop_assert!(series.buckets().len() <= BUCKETS);
            prop_assert!(line.buckets() <= BUCKETS);
        }
    }
}
