//! The data basis of a figure, its period, and the resulting confidence.

use serde::Serialize;

use super::gather::VmAccount;
use super::sketch::Sketch;
use memtrace_core::units::{Bytes, WallNanos};

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// The confidence of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sure {
    /// Less than 6 hours of data: no figure.
    TooLittle,
    /// Less than 3 days, or less than 50 % coverage.
    Low,
    /// Less than 14 days, or less than 90 % coverage.
    Medium,
    High,
}

impl Sure {
    /// Seconds known, of seconds in total.
    pub(super) fn of(known: f64, all: f64) -> Self {
        let share = if all > 0.0 { known / all } else { 0.0 };
        match known {
            _ if known < 6.0 * HOUR => Self::TooLittle,
            _ if known < 3.0 * DAY || share < 0.5 => Self::Low,
            _ if known < 14.0 * DAY || share < 0.9 => Self::Medium,
            _ => Self::High,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::TooLittle => "too little data",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The data basis of a VM's figures. Amounts are its demand without headroom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Basis {
    /// Seconds in which it was seen, and in which its demand was known.
    pub(super) seen_seconds: f64,
    pub(super) known_seconds: f64,
    pub(super) p50: Option<Bytes>,
    pub(super) p95: Option<Bytes>,
    pub(super) p99: Option<Bytes>,
    pub(super) peak: Option<Bytes>,
    pub(super) peak_at: Option<WallNanos>,
    /// p95 of the hour of the day in which it needs least.
    pub(super) quiet: Option<Bytes>,
    /// Trend of its daily peaks, in bytes a day. `None`: no certain trend, or under a week.
    pub(super) growth_per_day: Option<f64>,
    /// Time in distress, and its largest size then.
    pub(super) hurt_seconds: f64,
    pub(super) hurt_at: Option<Bytes>,
    /// Caches count as demand, because the guest doesn't report available memory.
    pub(super) with_caches: bool,
    /// Why its demand is unknown at times.
    pub(super) missing: Option<String>,
}

impl Basis {
    pub(super) fn of(account: &VmAccount) -> Self {
        let need = Sketch::of(&account.need);
        let at = |share| need.quantile(share).map(Bytes);
        let known = need.seconds();
        Self {
            seen_seconds: account.seconds,
            known_seconds: known,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            peak: account.peak.map(|(peak, _)| peak),
            peak_at: account.peak.map(|(_, at)| at),
            quiet: quiet(&account.need),
            growth_per_day: growth(account),
            hurt_seconds: account.hurt,
            hurt_at: account.hurt_at,
            with_caches: account.at_most > known / 100.0,
            // Short gaps (a start, a balloon change) are not mentioned.
            missing: account.because.clone().filter(|_| known < 0.99 * account.seconds),
        }
    }

    pub(super) fn sure(&self) -> Sure {
        let sure = Sure::of(self.known_seconds, self.seen_seconds);
        if self.with_caches { sure.min(Sure::Low) } else { sure }
    }

    pub(super) fn days(&self) -> f64 {
        self.known_seconds / DAY
    }
}

/// Least of the hours that all are known; `None` where some aren't.
fn quiet(hours: &[Sketch; 24]) -> Option<Bytes> {
    // An hour that was seen for minutes only is ignored.
    let known = |hour: &Sketch| hour.quantile(0.95).filter(|_| hour.seconds() >= HOUR * 0.9);
    let all: Option<Vec<u64>> = hours.iter().map(known).collect();
    all?.into_iter().min().map(Bytes)
}

/// Theil and Sen's slope of daily peaks, so that single bad days don't make a trend. Of whole
/// days only, at least seven of them, and only where three pairs of days go its way for one that
/// doesn't (Kendall's tau of a half).
fn growth(account: &VmAccount) -> Option<f64> {
    let whole = account.days.iter().filter(|(_, day)| day.seconds >= 0.5 * DAY);
    let days: Vec<(i64, u64)> = whole.map(|(number, day)| (*number, day.peak)).collect();
    if days.len() < 7 {
        return None;
    }
    let mut slopes = Vec::new();
    for (index, (day, peak)) in days.iter().enumerate() {
        for (later, then) in days.iter().skip(index + 1) {
            slopes.push((*then as f64 - *peak as f64) / (later - day) as f64);
        }
    }
    slopes.sort_by(f64::total_cmp);
    let (up, down) = (slopes.partition_point(|slope| *slope <= 0.0), slopes.len());
    let rising = (down - up) as f64;
    let falling = slopes.partition_point(|slope| *slope < 0.0) as f64;
    let tau = (rising - falling) / slopes.len() as f64;
    let slope = slopes.get(slopes.len() / 2).copied()?;
    (tau.abs() >= 0.5 && slope != 0.0).then_some(slope)
}

#[cfg(test)]
mod tests;
