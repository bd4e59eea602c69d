//! Numbers that were measured several times: their middle, how far they spread, and how
//! sure a ratio is. Pure.

/// The middle half of some measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

/// Resamplings for an interval.
const RESAMPLINGS: usize = 2000;

/// Quartiles; `None` without measurements.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share| quantile(&sorted, share);
    Some(Spread { low: at(0.25)?, median: at(0.5)?, high: at(0.75)? })
}

/// How much longer the pairs' second values are than their first ones: the median of the pairs'
/// ratios with its 95 % interval, by resampling the pairs (percentile bootstrap). Not the ratio
/// of the medians: a shared machine is a third slower for minutes, and the two of a pair were
/// measured close to each other.
pub fn ratio(pairs: &[(f64, f64)]) -> Option<Spread> {
    let ratios = pairs.iter().map(|(first, second)| second / first);
    let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
    let median = spread(&ratios)?.median;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut medians = Vec::with_capacity(RESAMPLINGS);
    for _ in 0..RESAMPLINGS {
        let chosen: Vec<_> = (0..ratios.len())
            .filter_map(|_| ratios.get(random.below(ratios.len())).copied())
            .collect();
        medians.extend(spread(&chosen).map(|spread| spread.median));
    }
    medians.sort_by(f64::total_cmp);
    Some(Spread { low: quantile(&medians, 0.025)?, median, high: quantile(&medians, 0.975)? })
}

/// Linear between the two nearest ranks.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = share * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(rank.floor() as usize)?;
    let above = *sorted.get(rank.ceil() as usize)?;
    Some(below + (above - below) * rank.fract())
}

/// xorshift64*: the same interval from the same measurements, each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).ok().and_then(|number| number.checked_rem(end)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quartiles_lie_where_they_should() {
        let found = spread(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(found, Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(spread(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_is_found_through_noise_and_its_interval_holds_it() {
        let pairs: Vec<_> =
            (0..40).map(|n| (100.0 + f64::from(n % 7), 110.0 + f64::from(n % 5) * 1.5)).collect();
        let found = ratio(&pairs).unwrap();
        assert!((1.06..1.14).contains(&found.median), "{found:?}");
        assert!(found.low <= found.median && found.median <= found.high, "{found:?}");
        assert!(found.high - found.low < 0.08, "{found:?}");
        assert_eq!(ratio(&pairs), Some(found), "the same each time");
    }

    #[test]
    fn an_outlier_does_not_move_the_ratio() {
        let mut pairs = vec![(100.0, 103.0); 20];
        pairs.push((100.0, 900.0));
        assert_eq!(ratio(&pairs).unwrap().median, 1.03);
    }

    #[test]
    fn a_machine_that_is_slow_for_minutes_doesnt_move_it_either() {
        // It changes in the middle of a pair.
        let slow = |from: usize| move |n: usize| if n < from { 1.0 } else { 1.33 };
        let (first, second) = (slow(6), slow(5));
        let pairs: Vec<_> = (0..10).map(|n| (100.0 * first(n), 113.0 * second(n))).collect();
        assert!((ratio(&pairs).unwrap().median - 1.13).abs() < 1e-9);
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!(ratio(&[]), None);
        assert_eq!(ratio(&[(0.0, 1.0)]), None);
    }
}
