//! Distributions of one VM's waits in an interval: what was added to each bucket, and
//! quantiles out of it.

use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_range_ns};

use crate::model::Measured;
use crate::model::gap::Gap;
use crate::model::pair::Pair;
use crate::sample::HistogramsSample;
use crate::signal::{Quality, Signal};
use crate::units::Nanos;

pub(super) struct Distribution {
    /// Counts by bucket, without trailing zeros.
    pub(super) counts: Measured<Vec<u64>>,
    pub(super) p50: Measured<Nanos>,
    pub(super) p99: Measured<Nanos>,
}

/// By what is waited for.
pub(super) struct Distributions {
    pub(super) reclaim: Distribution,
    pub(super) async_fault: Distribution,
    pub(super) swap_in: Distribution,
}

pub(super) fn waits(pair: &Pair<'_>) -> Distributions {
    Distributions { reclaim: reclaim(pair), async_fault: async_fault(pair), swap_in: swap_in(pair) }
}

/// Waits in direct and memcg reclaim.
fn reclaim(pair: &Pair<'_>) -> Distribution {
    distribution(pair, reclaim_quality(pair), |histograms| &histograms.reclaim)
}

pub(super) fn reclaim_quality(pair: &Pair<'_>) -> Quality {
    let direct = quality(pair, Signal::DirectReclaim);
    let memcg = quality(pair, Signal::MemcgReclaim);
    match (&direct, &memcg) {
        (Quality::Absent(_), Quality::Absent(_)) => direct,
        (Quality::Absent(reason), _) => {
            Quality::approximate(format!("without direct reclaim: {reason}"))
        }
        (_, Quality::Absent(reason)) => {
            Quality::approximate(format!("without memcg reclaim: {reason}"))
        }
        _ => direct.and(memcg),
    }
}

/// KVM asynchronous page faults.
fn async_fault(pair: &Pair<'_>) -> Distribution {
    distribution(pair, async_fault_quality(pair), |histograms| &histograms.async_fault)
}

pub(super) fn async_fault_quality(pair: &Pair<'_>) -> Quality {
    pair.by_kvm(Measured::new(Some(()), quality(pair, Signal::AsyncFaults))).quality
}

fn quality(pair: &Pair<'_>, signal: Signal) -> Quality {
    pair.context.quality(signal).and(pair.context.missed(signal, 0))
}

/// Waits for pages that come back from swap.
fn swap_in(pair: &Pair<'_>) -> Distribution {
    distribution(pair, swap_in_quality(pair), |histograms| &histograms.swap_in)
}

pub(super) fn swap_in_quality(pair: &Pair<'_>) -> Quality {
    quality(pair, Signal::SwapInWait)
}

fn distribution(
    pair: &Pair<'_>,
    quality: Quality,
    field: fn(&HistogramsSample) -> &Vec<u64>,
) -> Distribution {
    let counts = if quality.is_absent() {
        Measured { value: None, quality }
    } else {
        added(pair, field)
            .map_or_else(Measured::from, |counts| Measured::new(Some(counts), quality))
    };
    Distribution { p50: point(&counts, 0.5), p99: point(&counts, 0.99), counts }
}

fn added(pair: &Pair<'_>, field: fn(&HistogramsSample) -> &Vec<u64>) -> Result<Vec<u64>, Gap> {
    let before = pair.before()?.histograms.as_ref().ok_or(Gap::NotCountedBefore);
    let now = field(pair.now.histograms.as_ref().ok_or(Gap::NotCounted)?);
    let before = field(before?);
    let mut counts: Vec<u64> = (0..now.len().max(before.len()).min(HISTOGRAM_BUCKETS))
        .map(|bucket| {
            let at = |counts: &[u64]| counts.get(bucket).copied().unwrap_or(0);
            at(now).checked_sub(at(before)).ok_or(Gap::RanBackwards)
        })
        .collect::<Result<_, _>>()?;
    let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    counts.truncate(used);
    Ok(counts)
}

/// A quantile of what was added, no better than that.
fn point(added: &Measured<Vec<u64>>, share: f64) -> Measured<Nanos> {
    match &added.value {
        None => Measured { value: None, quality: added.quality.clone() },
        Some(counts) => quantile(counts, share).limited_by(added.quality.clone()),
    }
}

/// A quantile as a duration, exact where its bucket tells it to a 32nd; absent when nothing
/// was counted.
pub fn quantile(counts: &[u64], share: f64) -> Measured<Nanos> {
    let (Some(bucket), Some(value)) =
        (crate::quantile::bucket(counts, share), crate::quantile::quantile(counts, share))
    else {
        return Measured::absent("nothing waited in this interval");
    };
    match bucket_range_ns(bucket) {
        (0, _) => Measured::approximate(Nanos(value), "below the resolution of 1 us"),
        (_, u64::MAX) => {
            Measured::approximate(Nanos(value), "at least this: the last bucket is open")
        }
        _ => Measured::exact(Nanos(value)),
    }
}
