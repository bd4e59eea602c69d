//! A distribution in bounded room, however long a recording is: seconds by log-linear bucket.

use std::collections::BTreeMap;

/// Buckets of a power of two are 2 to the power of this many. A quantile is the middle of a
/// bucket, and so within a 128th (0.8 %) of what it stands for.
const FINE: u32 = 6;

/// How long each amount held. At most some 3,800 buckets; of memory sizes a few hundred.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sketch {
    seconds: BTreeMap<u16, f64>,
    ends: Option<(u64, u64)>,
}

impl Sketch {
    /// Adds `amount`, held for this many seconds.
    pub(super) fn add(&mut self, amount: u64, seconds: f64) {
        if seconds <= 0.0 || !seconds.is_finite() {
            return;
        }
        *self.seconds.entry(bucket(amount)).or_default() += seconds;
        let (least, most) = self.ends.unwrap_or((amount, amount));
        self.ends = Some((least.min(amount), most.max(amount)));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, seconds) in &other.seconds {
            *self.seconds.entry(*bucket).or_default() += seconds;
        }
        self.ends = match (self.ends, other.ends) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }

    /// Of all together.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut all, part| {
            all.merge(part);
            all
        })
    }

    /// In all.
    pub(super) fn seconds(&self) -> f64 {
        // The sum of nothing would be -0.
        self.seconds.values().fold(0.0, |sum, seconds| sum + seconds)
    }

    /// Seconds in which it was `amount` or more, to the bucket.
    pub(super) fn seconds_from(&self, amount: u64) -> f64 {
        self.seconds.range(bucket(amount)..).fold(0.0, |sum, (_, seconds)| sum + seconds)
    }

    /// The amount that it stayed at or under for this share (0 to 1) of the time.
    pub(super) fn quantile(&self, share: f64) -> Option<u64> {
        let (least, most) = self.ends?;
        // The sum in the same order, so that the share of 1 finds the last one.
        let wanted = share.clamp(0.0, 1.0) * self.seconds();
        let mut passed = 0.0;
        let found = self.seconds.iter().find(|(_, seconds)| {
            passed += *seconds;
            passed >= wanted
        });
        Some(found.map_or(most, |(bucket, _)| middle(*bucket)).clamp(least, most))
    }

    /// Exact.
    pub(super) fn most(&self) -> Option<u64> {
        self.ends.map(|(_, most)| most)
    }
}

fn bucket(amount: u64) -> u16 {
    let power = amount.checked_ilog2().unwrap_or(0);
    let index = match power.checked_sub(FINE) {
        None => amount,
        Some(shift) => (u64::from(shift) << FINE) + (amount >> shift),
    };
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn middle(bucket: u16) -> u64 {
    let index = u64::from(bucket);
    match (index >> FINE).checked_sub(1) {
        None | Some(0) => index,
        Some(shift) => {
            let mantissa = index - (shift << FINE);
            (mantissa << shift) + ((1 << shift) >> 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn time_counts_and_not_the_number_of_looks() {
        let mut sketch = Sketch::default();
        sketch.add(100, 9.0);
        for _ in 0..5 {
            sketch.add(1 << 30, 0.2);
        }
        assert_eq!(sketch.quantile(0.89), Some(middle(bucket(100))));
        assert!(sketch.quantile(0.95).is_some_and(|found| found > 1_000_000_000));
        assert_eq!(sketch.most(), Some(1 << 30));
        assert!((sketch.seconds() - 10.0).abs() < 1e-9);
        assert!((sketch.seconds_from(1 << 29) - 1.0).abs() < 1e-9);
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_a_128th(mut amounts in prop::collection::vec(1_u64..1 << 44, 1..80), share in 0.0..=1.0_f64) {
            let mut sketch = Sketch::default();
            amounts.iter().for_each(|amount| sketch.add(*amount, 1.0));
            amounts.sort_unstable();
            let rank = (share * amounts.len() as f64).ceil().max(1.0) as usize - 1;
            let truth = amounts[rank] as f64;
            let found = sketch.quantile(share).unwrap_or(0) as f64;
            prop_assert!((found - truth).abs() <= truth / 128.0 + 1.0, "{found} for {truth}");
        }

        #[test]
        fn parts_come_to_the_whole(one in prop::collection::vec(any::<u64>(), 0..20), other in prop::collection::vec(any::<u64>(), 0..20)) {
            let sketch = |amounts: &[u64]| {
                let mut sketch = Sketch::default();
                amounts.iter().for_each(|amount| sketch.add(*amount, 1.0));
                sketch
            };
            let all: Vec<u64> = one.iter().chain(&other).copied().collect();
            prop_assert_eq!(Sketch::of([&sketch(&one), &sketch(&other)]), sketch(&all));
        }
    }
}
