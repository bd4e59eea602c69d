//! Wait times of one VM since it is counted, in few buckets: each bucket is a time series per VM in
//! a monitoring system.

use memtrace_ebpf::{VmCounters, bucket_range_ns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Measured;
use crate::model::gap::Gap;
use crate::model::histogram;
use crate::model::pair::Pair;
use crate::sample::HistogramsSample;
use crate::signal::Quality;
use crate::units::Nanos;

/// Upper bounds of the buckets, the powers of four from 2^14 ns (16 µs) to 2^34 ns (17 s). They
/// are bounds of the kernel side's buckets too, so that none has to be cut in two.
pub const BOUNDS: [Nanos; 11] = {
    let mut bounds = [Nanos(1 << 14); 11];
    let mut index = 1;
    while index < bounds.len() {
        bounds[index] = Nanos(bounds[index - 1].0 << 2);
        index += 1;
    }
    bounds
};

/// Waits of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitTotals {
    /// Waits under 2^14 ns, then up to each further power of four, then from 2^34 ns on.
    ///
    /// The bounds are [`BOUNDS`].
    pub counts: Vec<u64>,
    /// Total time.
    pub time: Nanos,
}

/// Wait times since memtrace has seen this VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Waits")]
pub struct VmWaits {
    /// Waits in direct and memcg reclaim.
    pub reclaim: Measured<WaitTotals>,
    /// KVM asynchronous page faults.
    pub async_fault: Measured<WaitTotals>,
    /// Swap-in waits, of its own threads and of KVM's workers.
    pub swap_in: Measured<WaitTotals>,
}

impl Default for VmWaits {
    /// Of a document that has none.
    fn default() -> Self {
        let [reclaim, async_fault, swap_in] =
            [(); 3].map(|()| Measured::absent("not in this document"));
        Self { reclaim, async_fault, swap_in }
    }
}

impl WaitTotals {
    /// Of counts by the kernel side's buckets.
    pub fn new(by_bucket: &[u64], time: Nanos) -> Self {
        let mut counts = vec![0_u64; BOUNDS.len() + 1];
        for (bucket, count) in by_bucket.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (_, to) = bucket_range_ns(bucket);
            let place = BOUNDS.partition_point(|bound| bound.0 < to);
            if let Some(sum) = counts.get_mut(place) {
                *sum = sum.saturating_add(*count);
            }
        }
        Self { counts, time }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

pub(super) fn waits(pair: &Pair<'_>) -> VmWaits {
    let of = |quality: Quality,
              counts: fn(&HistogramsSample) -> &Vec<u64>,
              time: fn(&VmCounters) -> u64| {
        if quality.is_absent() {
            return Measured { value: None, quality };
        }
        match (&pair.now.histograms, &pair.now.counters) {
            (Some(histograms), Some(counters)) => {
                let totals = WaitTotals::new(counts(histograms), Nanos(time(counters)));
                Measured::new(Some(totals), quality)
            }
            _ => Gap::NotCounted.into(),
        }
    };
    VmWaits {
        reclaim: of(
            histogram::reclaim_quality(pair),
            |histograms| &histograms.reclaim,
            |counters| counters.direct_reclaim_ns.saturating_add(counters.memcg_reclaim_ns),
        ),
        async_fault: of(
            histogram::async_fault_quality(pair),
            |histograms| &histograms.async_fault,
            |counters| counters.async_fault_ns,
        ),
        swap_in: of(
            histogram::swap_in_quality(pair),
            |histograms| &histograms.swap_in,
            |counters| counters.swap_in_wait_ns.saturating_add(counters.swap_in_remote_wait_ns),
        ),
    }
}

#[cfg(test)]
mod tests {
    use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_of};
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::samples::{sample, set_signal, vm};
    use crate::model::derive;
    use crate::signal::Signal;

    proptest! {
        #[test]
        fn every_wait_is_in_the_bucket_of_its_length(waits in prop::collection::vec(0_u64..1 << 40, 0..50)) {
            let mut by_bucket = vec![0; HISTOGRAM_BUCKETS];
            waits.iter().for_each(|ns| by_bucket[bucket_of(*ns)] += 1);
            let totals = WaitTotals::new(&by_bucket, Nanos(0));
            prop_assert_eq!(totals.count(), waits.len() as u64);
            for (index, bound) in BOUNDS.into_iter().enumerate() {
                let below: u64 = totals.counts[..=index].iter().sum();
                prop_assert_eq!(below, waits.iter().filter(|ns| **ns < bound.0).count() as u64);
            }
        }
    }

    #[test]
    fn totals_are_there_in_the_first_sample_and_absent_without_their_signal() {
        let mut now = sample(10, vec![vm("a", 7)]);
        let histograms = now.vms[0].histograms.get_or_insert_default();
        histograms.reclaim = vec![3, 4];
        now.vms[0].counters.get_or_insert_default().memcg_reclaim_ns = 9000;
        set_signal(&mut now, Signal::AsyncFaults, Quality::absent("no such hook"));
        let waits = derive(None, &now).vms.remove(0).waits;
        let reclaim = waits.reclaim.value.expect("it is known");
        assert_eq!((reclaim.counts[0], reclaim.time), (7, Nanos(9000)));
        assert_eq!(waits.async_fault, Measured::absent("no such hook"));
        now.vms[0].histograms = None;
        assert_eq!(derive(None, &now).vms[0].waits.reclaim.value, None);
    }
}
