//! The recommended size of a VM, from its demand and distress.

use serde::Serialize;

use super::basis::{Basis, Sure};
use super::gather::VmAccount;
use super::looks::time;
use memtrace_core::sample::VmLabels;
use memtrace_core::units::{Bytes, WallNanos};

/// Headroom above demand: 20 %, Hyper-V's memory buffer.
pub(super) const SPARE: f64 = 1.2;
/// Factor for a VM in distress: 25 % more, the policy's immediate step.
const RELIEF: f64 = 1.25;
/// A trend is extrapolated for this many days, and no further than it was observed.
const AHEAD: f64 = 30.0;
/// Sizes are lowered only with a week of data, and by at least 10 %.
const WEEK: f64 = 7.0;
const WORTH: f64 = 0.9;
/// Sizes are whole multiples of this.
const GRAIN: u64 = 16 << 20;

/// What to do about a VM's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SizeAdvice {
    Raise,
    /// It needs more, but the host has no room.
    NoRoom,
    Lower,
    Keep,
    /// Bounds only, because its size is unknown.
    Bounds,
    TooLittle,
}

impl SizeAdvice {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Raise => "raise",
            Self::NoRoom => "no room",
            Self::Lower => "lower",
            Self::Keep => "keep",
            Self::Bounds => "bounds",
            Self::TooLittle => "-",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Size {
    /// To start with.
    pub(super) initial: Bytes,
    /// Bounds of its balloon.
    pub(super) minimum: Bytes,
    pub(super) maximum: Bytes,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct VmAdvice {
    pub(super) name: String,
    pub(super) uuid: Option<String>,
    /// What its platform and its operator call it.
    #[serde(skip_serializing_if = "VmLabels::is_empty")]
    pub(super) labels: VmLabels,
    /// What it may grow to now.
    pub(super) allocated: Option<Bytes>,
    pub(super) last_seen: WallNanos,
    pub(super) verdict: SizeAdvice,
    pub(super) size: Option<Size>,
    /// The maximum by its demand, if that differs from the advice.
    pub(super) wanted: Option<Bytes>,
    pub(super) sure: Sure,
    pub(super) why: Vec<String>,
    pub(super) basis: Basis,
}

/// The context of a recommendation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// Memory that the host had free at all times. `None`: unknown.
    pub(super) room: Option<Bytes>,
    /// The least that any VM is left.
    pub(super) floor: Bytes,
}

/// Advice for one VM. Never fails: too little data is an answer.
pub(super) fn advise(uuid: Option<String>, account: &VmAccount, around: Around) -> VmAdvice {
    let basis = Basis::of(account);
    let sure = basis.sure();
    let mut advice = VmAdvice {
        name: account.name.clone(),
        uuid,
        labels: account.labels.clone(),
        allocated: account.allocated,
        last_seen: account.last,
        verdict: SizeAdvice::TooLittle,
        size: None,
        wanted: None,
        sure,
        why: Vec::new(),
        basis,
    };
    let needs = (advice.basis.p95, advice.basis.p99, advice.basis.peak);
    if let (Some(p95), Some(p99), Some(peak)) = needs
        && sure > Sure::TooLittle
    {
        let wanted = wanted(&advice.basis, (p95, p99, peak), around.floor);
        judge(&mut advice, wanted, p95, around.room);
    } else {
        advice.why.push(too_little(&advice.basis));
    }
    advice
}

/// The sizes by demand alone, without the host's limits and the present size.
fn wanted(basis: &Basis, (p95, p99, peak): (Bytes, Bytes, Bytes), floor: Bytes) -> Size {
    let hurt = basis.hurt_at.unwrap_or_default();
    let growth = basis.growth_per_day.unwrap_or(0.0).max(0.0) * basis.days().min(AHEAD);
    let peak = Bytes(peak.0.saturating_add(growth as u64));
    let maximum = times(peak, SPARE).max(times(hurt, RELIEF)).max(floor);
    let initial = times(p99, SPARE).max(grain(hurt)).max(floor).min(maximum);
    let minimum = times(basis.quiet.unwrap_or(p95), SPARE).max(floor).min(initial);
    Size { initial, minimum, maximum }
}

fn judge(advice: &mut VmAdvice, wanted: Size, p95: Bytes, room: Option<Bytes>) {
    let basis = &advice.basis;
    let near = |size: Bytes| p95.0 as f64 * SPARE >= size.0 as f64;
    let grows = basis.growth_per_day.is_some_and(|growth| growth > 0.0);
    let (verdict, maximum, why) = match advice.allocated {
        None => (SizeAdvice::Bounds, wanted.maximum, "its present size is unknown".to_owned()),
        Some(now) if wanted.maximum > now && (near(now) || basis.hurt_at.is_some() || grows) => {
            let reason = if basis.hurt_at.is_some() {
                "it was in distress"
            } else if near(now) {
                "its demand exceeds 5/6 of its size"
            } else {
                "its peaks grow"
            };
            match room {
                Some(room) if wanted.maximum.saturating_sub(now) > room => {
                    (SizeAdvice::NoRoom, now, format!("{reason}, but the host has no room"))
                }
                Some(_) => (SizeAdvice::Raise, wanted.maximum, reason.to_owned()),
                None => {
                    let why = format!("{reason}; free memory of the host unknown");
                    (SizeAdvice::NoRoom, now, why)
                }
            }
        }
        Some(now) if wanted.maximum > now => {
            (SizeAdvice::Keep, now, "only its peaks come near its size".to_owned())
        }
        Some(now) if (wanted.maximum.0 as f64) > now.0 as f64 * WORTH => {
            (SizeAdvice::Keep, now, "it fits".to_owned())
        }
        Some(now) if basis.days() < WEEK => {
            let time = time(basis.known_seconds);
            let why = format!("not needed in {time}, but at least a week is required");
            (SizeAdvice::Keep, now, why)
        }
        Some(_) => (SizeAdvice::Lower, wanted.maximum, "its demand is below its size".to_owned()),
    };
    let (initial, minimum) = (wanted.initial.min(maximum), wanted.minimum.min(maximum));
    advice.size = Some(Size { initial, minimum, maximum });
    advice.wanted = Some(wanted.maximum).filter(|wanted| *wanted != maximum);
    advice.verdict = verdict;
    advice.why.push(why);
    advice.why.extend(doubts(&advice.basis));
}

/// Caveats of a figure.
fn doubts(basis: &Basis) -> Vec<String> {
    let mut doubts = Vec::new();
    if basis.with_caches {
        let text = "the guest doesn't report available memory, so caches count as demand";
        doubts.push(text.to_owned());
    }
    if basis.quiet.is_none() {
        doubts.push(
            "some hours of the day are unknown: the minimum is based on all hours".to_owned(),
        );
    }
    if let Some(missing) = &basis.missing {
        let share = 100.0 * basis.known_seconds / basis.seen_seconds.max(1.0);
        doubts.push(format!("its demand is known for {share:.0} % of the time ({missing})"));
    }
    doubts
}

fn too_little(basis: &Basis) -> String {
    let time = time(basis.known_seconds);
    let why = basis.missing.as_ref().map_or(String::new(), |why| format!(" ({why})"));
    format!("too little data: its demand is known for {time}, at least 6 h are required{why}")
}

fn times(bytes: Bytes, factor: f64) -> Bytes {
    grain(Bytes((bytes.0 as f64 * factor) as u64))
}

/// Up to the next whole one.
fn grain(bytes: Bytes) -> Bytes {
    Bytes(bytes.0.div_ceil(GRAIN).saturating_mul(GRAIN))
}

#[cfg(test)]
pub(super) mod tests;
