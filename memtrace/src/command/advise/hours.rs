//! Demand by hour of the day: a heat map, and VMs that peak together.

use serde::Serialize;

use super::gather::{Hours, Record};
use super::sketch::Sketch;
use memtrace_core::units::Bytes;

/// Seconds of an hour of the day that have to be known of it.
const KNOWN: f64 = 600.0;
/// Hours of the day that a VM has to have for a comparison.
const HOURS: usize = 12;
/// A VM whose hours are within a fifth of each other has no time of its peak.
const SWING: f64 = 0.2;
/// Correlation of two VMs' hours from which they peak together, and apart.
const TOGETHER: f64 = 0.7;
const APART: f64 = -0.3;
/// Maximum number of VMs compared, and of pairs listed.
const MOST: usize = 300;
const PAIRS: usize = 5;

/// p95 of demand by hour of the day; `None`: unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) hours: Vec<Option<Bytes>>,
}

/// Two VMs whose needs go with each other, or against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Couple {
    pub(super) one: String,
    pub(super) other: String,
    /// Pearson's, of their hours: -1 to 1.
    pub(super) correlation: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct ByHour {
    /// Largest first.
    pub(super) vms: Vec<Profile>,
    pub(super) together: Vec<Couple>,
    pub(super) apart: Vec<Couple>,
}

pub(super) fn profile(name: &str, hours: &Hours) -> Profile {
    let of = |hour: &Sketch| hour.quantile(0.95).filter(|_| hour.seconds() >= KNOWN).map(Bytes);
    Profile { name: name.to_owned(), hours: hours.iter().map(of).collect() }
}

pub(super) fn by_hour(record: &Record) -> ByHour {
    let all = record.vms.values().map(|vm| profile(&vm.name, &vm.need));
    let mut vms: Vec<Profile> = all.filter(|vm| vm.most() > Some(Bytes(0))).collect();
    vms.sort_by(|one, other| other.most().cmp(&one.most()).then_with(|| one.name.cmp(&other.name)));
    let swinging: Vec<&Profile> = vms.iter().filter(|vm| vm.swings()).take(MOST).collect();
    let mut couples = Vec::new();
    for (index, one) in swinging.iter().enumerate() {
        for other in swinging.iter().skip(index + 1) {
            couples.extend(correlation(one, other).map(|correlation| Couple {
                one: one.name.clone(),
                other: other.name.clone(),
                correlation,
            }));
        }
    }
    couples.sort_by(|one, other| other.correlation.total_cmp(&one.correlation));
    let together = couples.iter().filter(|couple| couple.correlation >= TOGETHER);
    let apart = couples.iter().rev().filter(|couple| couple.correlation <= APART);
    let (together, apart) = (together.take(PAIRS).cloned(), apart.take(PAIRS).cloned());
    ByHour { together: together.collect(), apart: apart.collect(), vms }
}

impl Profile {
    pub(super) fn most(&self) -> Option<Bytes> {
        self.hours.iter().flatten().copied().max()
    }

    fn swings(&self) -> bool {
        let known = self.hours.iter().flatten();
        let (least, count) = (known.clone().min(), known.count());
        let span = least.zip(self.most());
        count >= HOURS
            && span.is_some_and(|(least, most)| (most.0 - least.0) as f64 >= most.0 as f64 * SWING)
    }

    /// A digit an hour: tenths of its largest one.
    pub(super) fn digits(&self) -> String {
        let most = self.most().unwrap_or_default().0.max(1) as f64;
        let digit = |hour: &Option<Bytes>| match hour {
            Some(bytes) => {
                let tenth = (bytes.0 as f64 / most * 10.0) as u32;
                char::from_digit(tenth.min(9), 10).unwrap_or('9')
            }
            None => '-',
        };
        self.hours.iter().map(digit).collect()
    }
}

/// `None`: they have too few hours in common, or one of them is level in those.
fn correlation(one: &Profile, other: &Profile) -> Option<f64> {
    let both = one.hours.iter().zip(&other.hours);
    let both: Vec<(f64, f64)> = both
        .filter_map(|(one, other)| Some((one.as_ref()?.0 as f64, other.as_ref()?.0 as f64)))
        .collect();
    if both.len() < HOURS {
        return None;
    }
    let count = both.len() as f64;
    let sum = both.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let (mean, mean_other) = (sum.0 / count, sum.1 / count);
    let (mut together, mut square, mut square_other) = (0.0, 0.0, 0.0);
    for (value, value_other) in both {
        let (off, off_other) = (value - mean, value_other - mean_other);
        together += off * off_other;
        square += off * off;
        square_other += off_other * off_other;
    }
    let spread = (square * square_other).sqrt();
    (spread > 0.0).then(|| together / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, hours: impl Fn(u64) -> Option<u64>) -> Profile {
        let hours = (0..24).map(|hour| hours(hour).map(Bytes)).collect();
        Profile { name: name.to_owned(), hours }
    }

    #[test]
    fn digits_are_tenths_of_the_largest_hour() {
        let day = of("day", |hour| Some(if (8..18).contains(&hour) { 1000 } else { 250 }));
        assert_eq!(day.digits(), "222222229999999999222222");
        let gone = of("gone", |hour| (hour > 12).then_some(7));
        assert_eq!(gone.digits(), "-------------99999999999");
        assert_eq!(of("none", |_| None).digits(), "------------------------");
    }

    #[test]
    fn vms_that_peak_together() {
        let day = of("day", |hour| Some(if (8..18).contains(&hour) { 1000 } else { 250 }));
        let night = of("night", |hour| Some(if (8..18).contains(&hour) { 300 } else { 700 }));
        let short = of("short", |hour| (hour < 11).then_some(hour));
        let near = |one: &Profile, other: &Profile| correlation(one, other).map(f64::round);
        assert_eq!(near(&day, &day), Some(1.0));
        assert_eq!(near(&day, &night), Some(-1.0));
        assert_eq!(near(&day, &short), None);
        assert_eq!(near(&day, &of("level", |_| Some(5))), None);
        assert!(day.swings() && !short.swings() && !of("level", |_| Some(5)).swings());
    }
}
