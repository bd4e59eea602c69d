//! Differences of totals, and what becomes of them over an interval. Knows no VM and
//! no signal.

use crate::model::Measured;
use crate::model::gap::Gap;
use crate::signal::Quality;
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// How much a total grew. A missing end or a total that ran backwards gives a gap.
pub(super) fn growth(before: Option<u64>, now: Option<u64>) -> Result<u64, Gap> {
    let now = now.ok_or(Gap::NotRead)?;
    let before = before.ok_or(Gap::NotReadBefore)?;
    now.checked_sub(before).ok_or(Gap::RanBackwards)
}

/// The time between two samples; never zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval(Nanos);

impl Interval {
    pub(super) const fn between(before: Nanos, now: Nanos) -> Result<Self, Gap> {
        match now.0.checked_sub(before.0) {
            None | Some(0) => Err(Gap::NoTime),
            Some(nanos) => Ok(Self(Nanos(nanos))),
        }
    }

    pub(super) const fn nanos(self) -> Nanos {
        self.0
    }

    /// Events per second.
    pub(super) fn rate(self, events: u64) -> Rate {
        Rate(events as f64 / self.0.seconds())
    }

    /// Bytes per second.
    pub(super) fn byte_rate(self, pages: u64, page_size: Bytes) -> ByteRate {
        ByteRate(pages as f64 * page_size.0 as f64 / self.0.seconds())
    }

    /// Time as a share of the interval: 100 is all of it.
    pub(super) fn share(self, nanos: u64) -> Percent {
        Percent(nanos as f64 * 100.0 / self.0.0 as f64)
    }
}

/// A measured growth.
pub(super) type Growth = Measured<u64>;

/// A growth with the quality exact, or the reason why there is none.
pub(super) fn exact(growth: Result<u64, Gap>) -> Growth {
    growth.map_or_else(Measured::from, Measured::exact)
}

/// The sum of parts that have names. A part that is absent leaves the sum approximate,
/// with the part's name and reason; without any part the sum is absent. What is near the
/// truth and did not grow adds no doubt.
pub(super) fn sum<const N: usize>(parts: [(&str, Growth); N]) -> Growth {
    let mut total: Option<u64> = None;
    let mut notes: Vec<String> = Vec::new();
    let mut first_absence = None;
    for (name, part) in parts {
        let reason = part.quality.reason();
        if let Some(value) = part.value {
            total = Some(total.unwrap_or(0).saturating_add(value));
            if let Some(reason) = reason.filter(|_| value > 0)
                && !notes.iter().any(|note| note == reason)
            {
                notes.push(reason.to_owned());
            }
        } else {
            notes.push(format!("without {name}: {}", reason.unwrap_or_default()));
            first_absence.get_or_insert(part);
        }
    }
    match (total, notes.is_empty()) {
        (None, _) => first_absence.unwrap_or_else(|| Measured::absent("")),
        (Some(total), true) => Measured::exact(total),
        (Some(total), false) => Measured::approximate(total, notes.join("; ")),
    }
}

/// The more trustworthy of two ways to the same number; the first when they are equal, and
/// the second isn't even tried when the first is exact.
pub(super) fn better<T>(first: Measured<T>, second: impl FnOnce() -> Measured<T>) -> Measured<T> {
    if first.quality == Quality::Exact {
        return first;
    }
    let rank = |way: &Measured<T>| match way.quality {
        Quality::Exact => 0,
        Quality::Approximate(_) => 1,
        Quality::Absent(_) => 2,
    };
    let second = second();
    if rank(&second) < rank(&first) { second } else { first }
}
