//! Safe overcommit of the host, and the effect of one more VM.

use serde::Serialize;

use super::basis::Sure;
use super::gather::{HostAccount, Record, VmAccount};
use super::sketch::Sketch;
use super::vm::SPARE;
use memtrace_core::units::{Bytes, WallNanos};
use memtrace_view::summary::OVERCOMMIT;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Fine,
    /// From 1.5 on.
    Warning,
    /// From 2.0 on.
    Critical,
}

impl Level {
    pub(super) fn of(ratio: f64) -> Self {
        match ratio {
            _ if ratio >= OVERCOMMIT[1] => Self::Critical,
            _ if ratio >= OVERCOMMIT[0] => Self::Warning,
            _ => Self::Fine,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct HostAdvice {
    pub(super) installed: Option<Bytes>,
    /// Memory always kept free.
    pub(super) reserve: Option<Bytes>,
    /// p99 of memory in use, but not by VMs.
    pub(super) own: Option<Bytes>,
    /// Installed, without the reserve and its own.
    pub(super) usable: Option<Bytes>,
    pub(super) allocated: Option<Bytes>,
    pub(super) ratio: Option<f64>,
    pub(super) level: Option<Level>,
    /// Simultaneous demand of all VMs.
    pub(super) together_p99: Option<Bytes>,
    pub(super) together_peak: Option<Bytes>,
    pub(super) together_at: Option<WallNanos>,
    /// Maximum memory of all of them on the host, resident and swapped: with caches and unused
    /// memory.
    pub(super) kept_peak: Option<Bytes>,
    /// The sum of their own peaks, whenever those were.
    pub(super) peaks: Bytes,
    /// Safe ratio of allocated to installed memory by this data, at most 2.
    pub(super) safe_ratio: Option<f64>,
    /// Memory that can still be allocated; negative: overallocated.
    pub(super) safe_more: Option<i64>,
    /// Least that was available, but for a hundredth of the time, less the reserve.
    pub(super) spare: Option<Bytes>,
    pub(super) added: Option<Added>,
    pub(super) sure: Sure,
    pub(super) why: Vec<String>,
}

/// The effect of one more VM.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Added {
    pub(super) size: Bytes,
    pub(super) ratio: Option<f64>,
    pub(super) level: Option<Level>,
    /// Peak of all together if it used as much of its size as the others do of theirs, and if
    /// it used all of it at the worst moment.
    pub(super) likely: Option<Bytes>,
    pub(super) worst: Option<Bytes>,
    pub(super) fits: Fits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fits {
    /// Even if it used all of its memory at the worst moment.
    Always,
    /// If it is like the others.
    Likely,
    No,
    Unknown,
}

/// `reserve`: what stays free of so much memory; `add`: the size of one more VM.
pub(super) fn advise(
    record: &Record,
    reserve: impl Fn(Bytes) -> Bytes,
    add: Option<Bytes>,
) -> HostAdvice {
    let host = &record.host;
    let reserve = host.installed.map(reserve);
    let own = host.own.quantile(0.99).map(Bytes);
    let usable = host.installed.zip(reserve).map(|(installed, reserve)| {
        installed.saturating_sub(reserve).saturating_sub(own.unwrap_or_default())
    });
    let together = Sketch::of(&host.together);
    let peak = host.together_peak.filter(|(peak, _)| peak.0 > 0);
    let peaks = record.vms.values().filter_map(|vm| vm.peak.or_else(|| footprint(vm)));
    let ratio = ratio(host.allocated, host.installed);
    let safe = safe(host, usable);
    let available = host.available.quantile(0.01).map(Bytes);
    let mut advice = HostAdvice {
        installed: host.installed,
        reserve,
        own,
        usable,
        allocated: host.allocated,
        ratio,
        level: ratio.map(Level::of),
        together_p99: together.quantile(0.99).map(Bytes).filter(|_| peak.is_some()),
        together_peak: peak.map(|(peak, _)| peak),
        together_at: peak.map(|(_, at)| at),
        kept_peak: host.kept_peak,
        peaks: peaks.fold(Bytes(0), |sum, (peak, _)| sum.saturating_add(peak)),
        safe_ratio: safe,
        safe_more: safe.zip(host.installed).zip(host.allocated).map(
            |((safe, installed), allocated)| {
                (safe * installed.0 as f64) as i64 - i64::try_from(allocated.0).unwrap_or(i64::MAX)
            },
        ),
        spare: available.zip(reserve).map(|(available, reserve)| available.saturating_sub(reserve)),
        added: None,
        sure: Sure::of(together.seconds() - host.without, record.seconds),
        why: why(record, usable),
    };
    advice.sure = match host.by_footprint > 0.1 * together.seconds() {
        true => advice.sure.min(Sure::Low),
        false => advice.sure,
    };
    advice.added = add.map(|size| added(&advice, host, size));
    advice
}

fn footprint(vm: &VmAccount) -> Option<(Bytes, WallNanos)> {
    vm.footprint.most().map(|most| (Bytes(most), WallNanos(0)))
}

fn ratio(allocated: Option<Bytes>, installed: Option<Bytes>) -> Option<f64> {
    Some(allocated?.share_of(installed?)?.0 / 100.0)
}

/// The simultaneous demand of the VMs is a share of the allocated memory. Safe is the allocation of
/// which this share + 20 % fits into the host; at most twice the installed memory.
fn safe(host: &HostAccount, usable: Option<Bytes>) -> Option<f64> {
    let (peak, _) = host.together_peak.filter(|(peak, _)| peak.0 > 0)?;
    let then = ratio(host.allocated_then, host.installed)?;
    let safe = then * usable?.0 as f64 / (peak.0 as f64 * SPARE);
    Some(safe.min(OVERCOMMIT[1]))
}

fn added(advice: &HostAdvice, host: &HostAccount, size: Bytes) -> Added {
    let allocated = advice.allocated.map(|allocated| allocated.saturating_add(size));
    let ratio = ratio(allocated, advice.installed);
    let used = advice.together_peak.zip(host.allocated_then).and_then(|(peak, allocated)| {
        (allocated.0 > 0).then(|| (peak.0 as f64 / allocated.0 as f64).min(1.0))
    });
    let worst = advice.together_peak.map(|peak| peak.saturating_add(size));
    let likely = advice
        .together_peak
        .zip(used)
        .map(|(peak, used)| peak.saturating_add(Bytes((size.0 as f64 * used) as u64)));
    let within = |sum: Option<Bytes>| {
        sum.zip(advice.usable).map(|(sum, usable)| sum.0 as f64 * SPARE <= usable.0 as f64)
    };
    let fits = match (within(worst), within(likely)) {
        (Some(true), _) => Fits::Always,
        (_, Some(true)) => Fits::Likely,
        (Some(false), Some(false)) => Fits::No,
        _ => Fits::Unknown,
    };
    Added { size, ratio, level: ratio.map(Level::of), likely, worst, fits }
}

fn why(record: &Record, usable: Option<Bytes>) -> Vec<String> {
    let (host, mut why) = (&record.host, Vec::new());
    let share = |seconds: f64| 100.0 * seconds / record.seconds.max(1.0);
    if host.allocated_part {
        why.push("the size of some VMs is unknown and not included in allocated memory".into());
    }
    if host.by_footprint > 0.0 {
        why.push(format!(
            "for {:.0} % of the time the demand of some VMs was unknown: their memory on the host \
             was used",
            share(host.by_footprint)
        ));
    }
    if host.without > 0.0 {
        why.push(format!(
            "for {:.0} % of the time nothing was known of some VMs: the sum is too low there",
            share(host.without)
        ));
    }
    if usable.is_some() && host.own.seconds() == 0.0 {
        why.push("the host's own use is unknown, and not deducted".into());
    }
    if record.hosts.len() > 1 {
        why.push("the recording is of more than one host: use only the sizes of VMs".into());
    }
    why
}

#[cfg(test)]
mod tests;
