//! Placement of a new VM: hosts from best to worst, with reasons. Pure.
//!
//! A VM fits where the policy's state would still be calm with it, if necessary after balloons have
//! been inflated. Unknown values mean that it doesn't fit.

use memtrace_core::policy::Level;
use memtrace_core::policy::reason::Coming;
use serde::Serialize;

use super::host::Host;
use memtrace_core::format;
use memtrace_core::units::Bytes;
use memtrace_view::summary::OVERCOMMIT;

/// Share of a host's memory that stays available: below it the policy's default state is soft
/// ([`Rules::soft`](memtrace_core::policy::Rules)).
pub const KEEP: f64 = 0.2;
/// Forecast horizon in seconds, as in `memtrace top`. Hosts with a forecast within it are refused.
pub const HORIZON: f64 = 600.0;
/// Stall share of a VM from which it is mentioned; the alerts' limit.
const SUFFERS: f64 = 0.1;
/// Swap-in rate from which it is mentioned; as in `memtrace check`.
const SWAPS: f64 = 1_048_576.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Enough is available.
    Now,
    /// Enough after balloons have been inflated.
    Reclaiming,
    No,
    Unknown,
}

impl Fit {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Reclaiming => "reclaiming",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// One host, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    pub host: String,
    pub fits: Fit,
    /// Memory left above the kept share with the VM, if necessary after balloons have been
    /// inflated; negative: missing. `None`: unknown, or refused for another reason.
    pub left_bytes: Option<f64>,
    /// Memory that balloons would have to reclaim first.
    pub reclaim_bytes: Option<f64>,
    /// Why not, or the calculation.
    pub because: String,
    /// Reservations about a host with room.
    pub cautions: Vec<String>,
}

/// All hosts, the best first.
pub fn places(hosts: &[Host], size: Bytes) -> Vec<Candidate> {
    let mut places: Vec<Candidate> = hosts.iter().map(|host| place(host, size)).collect();
    places.sort_by(|one, other| {
        let left = |place: &Candidate| place.left_bytes.unwrap_or(f64::NEG_INFINITY);
        let verdict = one.fits.cmp(&other.fits);
        let cautions = one.cautions.len().cmp(&other.cautions.len());
        verdict
            .then(cautions)
            .then(left(other).total_cmp(&left(one)))
            .then(one.host.cmp(&other.host))
    });
    places
}

fn place(host: &Host, size: Bytes) -> Candidate {
    let unknown = |because: &str| Candidate {
        host: host.name.clone(),
        fits: Fit::Unknown,
        left_bytes: None,
        reclaim_bytes: None,
        because: because.to_owned(),
        cautions: Vec::new(),
    };
    if let Some(why) = &host.unknown {
        return unknown(why);
    }
    let (Some(memory), Some(available)) = (host.memory_bytes, host.available_bytes) else {
        return unknown("its memory size is unknown");
    };
    let (size, above) = (size.0 as f64, available - KEEP * memory);
    let reclaimable = host.reclaimable_bytes.unwrap_or(0.0);
    let missing = (size - above).max(0.0);
    let left = if missing == 0.0 { above - size } else { above + reclaimable - size };
    let refused = refusal(host, size, memory);
    let left_bytes = refused.is_none().then_some(left);
    let (fits, because) = match refused {
        Some(why) => (Fit::No, why),
        None if missing == 0.0 => (Fit::Now, room(above, memory)),
        None if left >= 0.0 => {
            let told = format!(
                "{}, balloons can reclaim {} of {}",
                room(above, memory),
                show(missing),
                show(reclaimable)
            );
            (Fit::Reclaiming, told)
        }
        None => {
            let given = host.reclaimable_bytes.map_or_else(
                || "reclaimable memory unknown".to_owned(),
                |bytes| format!("balloons can reclaim {}", show(bytes)),
            );
            (Fit::No, format!("{} short: {}, {given}", show(-left), room(above, memory)))
        }
    };
    let reclaim_bytes = (fits == Fit::Reclaiming).then_some(missing);
    let cautions = if fits < Fit::No { cautions(host, size, memory, fits) } else { Vec::new() };
    Candidate { host: host.name.clone(), fits, left_bytes, reclaim_bytes, because, cautions }
}

fn room(above: f64, memory: f64) -> String {
    let keeps = format!("the {} kept free", show(KEEP * memory));
    if above >= 0.0 {
        format!("{} above {keeps}", show(above))
    } else {
        format!("{} below {keeps}", show(-above))
    }
}

/// Why a host is refused regardless of available memory.
fn refusal(host: &Host, size: f64, memory: f64) -> Option<String> {
    if let Some(state @ (Level::Hard | Level::Low)) = host.state {
        return Some(format!("state {}", state.word()));
    }
    let soon = [Coming::Hard, Coming::Low, Coming::Swap].into_iter().filter_map(|what| {
        let seconds = *host.forecast_seconds.get(&what)?;
        (seconds < HORIZON).then_some((what, seconds))
    });
    if let Some((what, seconds)) = soon.min_by(|one, other| one.1.total_cmp(&other.1)) {
        let what = if what == Coming::Swap { "swapping" } else { what.word() };
        return Some(format!("forecast: {what} in {}", format::seconds(seconds)));
    }
    let ratio = overcommit(host, size, memory)?;
    let most = OVERCOMMIT[1];
    (ratio > most).then(|| {
        format!("maximum sizes of its VMs are {ratio:.1} times its memory, limit {most:.1}")
    })
}

/// The overcommit with the VM.
fn overcommit(host: &Host, size: f64, memory: f64) -> Option<f64> {
    Some((host.allocated_bytes? + size) / memory).filter(|ratio| ratio.is_finite())
}

fn cautions(host: &Host, size: f64, memory: f64, fits: Fit) -> Vec<String> {
    let mut cautions = Vec::new();
    match host.state {
        None => cautions.push("state unknown: no `memtrace mitigate` there".to_owned()),
        Some(Level::Calm) => {}
        Some(state) => cautions.push(format!("state {}", state.word())),
    }
    if fits == Fit::Reclaiming && host.enforcing == Some(false) {
        cautions.push("observe mode: balloons are not moved".to_owned());
    }
    match overcommit(host, size, memory) {
        None => cautions.push("maximum sizes of its VMs unknown".to_owned()),
        Some(ratio) if ratio > OVERCOMMIT[0] => {
            cautions.push(format!("maximum sizes of its VMs are {ratio:.1} times its memory"));
        }
        Some(_) => {}
    }
    let worst = host.sufferers.as_ref().map(|sufferers| sufferers.first());
    match worst {
        None => cautions.push("stalls of its VMs unknown".to_owned()),
        Some(Some(worst)) if worst.stalled_ratio >= SUFFERS => cautions.push(format!(
            "{} is stalled {:.0} % of the time",
            worst.name,
            worst.stalled_ratio * 100.0
        )),
        Some(_) => {}
    }
    if let Some(rate) = host.swap_in_bytes_per_second.filter(|rate| *rate >= SWAPS) {
        cautions.push(format!("swap-in {}/s", show(rate)));
    }
    cautions
}

/// `345 MiB`, `1.2 GiB`.
fn show(bytes: f64) -> String {
    let mib = bytes / 1_048_576.0;
    if mib >= 1024.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{mib:.0} MiB") }
}
