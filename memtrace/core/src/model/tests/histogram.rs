//! Quantiles and growth of distributions.

use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_of, bucket_range_ns};
use proptest::prelude::*;

use crate::fixture::samples::{after, between, only_vm, sample, set_signal, vm};
use crate::model::{Measured, derive, quantile};
use crate::signal::{Quality, Signal};
use crate::units::Nanos;

/// Counts with `count` waits in the bucket of each duration.
fn counts(waits: &[(u64, u64)]) -> Vec<u64> {
    let mut counts = vec![0; HISTOGRAM_BUCKETS];
    for (ns, count) in waits {
        if let Some(bucket) = counts.get_mut(bucket_of(*ns)) {
            *bucket += count;
        }
    }
    counts
}

/// The value of a quantile that is exact.
fn exact(counts: &[u64], share: f64) -> u64 {
    let quantile = quantile(counts, share);
    assert_eq!(quantile.quality, Quality::Exact);
    quantile.value.expect("there are waits").0
}

/// The wait of that rank, of waits that are sorted.
fn nearest_rank(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[test]
fn a_quantile_is_the_middle_of_its_bucket() {
    let (from, to) = bucket_range_ns(bucket_of(1_000_000));
    let counts = counts(&[(1_000_000, 100)]);
    assert_eq!([0.0, 0.5, 1.0].map(|share| exact(&counts, share)), [from + (to - from) / 2; 3]);
}

#[test]
fn a_quantile_lies_in_the_bucket_that_holds_its_rank() {
    let counts = counts(&[(2_000, 98), (50_000_000, 2)]);
    let (from, to) = bucket_range_ns(bucket_of(50_000_000));
    let p99 = exact(&counts, 0.99);
    assert!((from..to).contains(&p99), "{p99} not in {from}..{to}");
    assert!(exact(&counts, 0.98) < 3_000, "98 of 100 waits are that short");
}

#[test]
fn nothing_counted_has_no_quantile() {
    assert_eq!(quantile(&[], 0.5), Measured::absent("nothing waited in this interval"));
    assert_eq!(quantile(&[0, 0, 0], 0.5).value, None);
}

#[test]
fn a_quantile_that_no_bucket_tells_says_so() {
    let long = quantile(&counts(&[(u64::MAX, 3)]), 0.99);
    assert_eq!(
        long,
        Measured::approximate(Nanos(1 << 36), "at least this: the last bucket is open")
    );
    let short = quantile(&counts(&[(100, 3)]), 0.5);
    assert!(matches!(short.quality, Quality::Approximate(_)), "{short:?}");
}

#[test]
fn a_quantile_is_no_better_than_what_was_counted() {
    let doubt = Quality::approximate("not every wait was seen");
    let mut now = sample(11, vec![vm("a", 7)]);
    now.vms[0].histograms.get_or_insert_default().async_fault = counts(&[(2_000_000, 9)]);
    set_signal(&mut now, Signal::AsyncFaults, doubt.clone());
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    assert_eq!(vm.async_fault_p99.quality, doubt);
}

#[test]
fn only_what_was_added_in_the_interval_counts() {
    let vm = between(
        |vm| vm.histograms.get_or_insert_default().reclaim = counts(&[(2_000, 1000)]),
        |vm| {
            let now = counts(&[(2_000, 1000), (8_000_000, 4)]);
            vm.histograms.get_or_insert_default().reclaim = now;
        },
    );
    let (from, to) = bucket_range_ns(bucket_of(8_000_000));
    let p50 = vm.reclaim_p50.value.expect("there were waits").0;
    assert!((from..=to).contains(&p50), "{p50}");
    let histogram = vm.reclaim_histogram.value.expect("there were waits");
    assert_eq!(histogram.len(), bucket_of(8_000_000) + 1, "without trailing zeros");
    assert_eq!(histogram.iter().sum::<u64>(), 4);
}

#[test]
fn swap_ins_have_a_distribution_of_their_own() {
    let vm = after(|vm| {
        vm.histograms.get_or_insert_default().swap_in = counts(&[(150_000, 9), (8_000_000, 1)]);
    });
    assert_eq!(vm.swap_in_histogram.value.expect("there were waits").iter().sum::<u64>(), 10);
    let p99 = vm.swap_in_p99.value.expect("there were waits").0;
    let (from, to) = bucket_range_ns(bucket_of(8_000_000));
    assert!((from..=to).contains(&p99), "{p99}");
    assert_eq!(vm.reclaim_histogram, Measured::exact(vec![]));
}

#[test]
fn an_interval_without_waits_has_an_empty_histogram_and_no_quantile() {
    let vm = after(|_| {});
    assert_eq!(vm.async_fault_histogram, Measured::exact(vec![]));
    assert_eq!(vm.async_fault_p99, Measured::absent("nothing waited in this interval"));
}

#[test]
fn a_bucket_that_runs_backwards_voids_the_distribution() {
    let vm = between(
        |vm| vm.histograms.get_or_insert_default().async_fault = counts(&[(2_000, 5)]),
        |vm| vm.histograms.get_or_insert_default().async_fault = counts(&[(4_000, 9)]),
    );
    assert_eq!(vm.async_fault_histogram.value, None);
    assert_eq!(vm.async_fault_p50.value, None);
}

proptest! {
    #[test]
    fn a_quantile_is_within_a_32nd_of_the_wait_of_its_rank(
        waits in prop::collection::vec((10..36_u32, 0.0..1.0_f64), 1..400),
        share in 0.0..=1.0_f64,
    ) {
        // Every order of magnitude, which plain numbers would seldom reach.
        let length = |(power, part): &(u32, f64)| (2.0_f64.powi(*power as i32) * (1.0 + part)) as u64;
        let mut waits: Vec<u64> = waits.iter().map(length).collect();
        waits.sort_unstable();
        let counted: Vec<(u64, u64)> = waits.iter().map(|ns| (*ns, 1)).collect();
        let (shown, truth) = (exact(&counts(&counted), share), nearest_rank(&waits, share));
        prop_assert!(shown.abs_diff(truth) * 32 <= truth, "{shown} for {truth}");
    }

    #[test]
    fn quantiles_grow_with_their_share_and_stay_within_the_buckets_used(
        counts in prop::collection::vec(0..u64::MAX, 0..=HISTOGRAM_BUCKETS),
        a in 0.0..=1.0_f64,
        b in 0.0..=1.0_f64,
    ) {
        let (low, high) = (a.min(b), a.max(b));
        let (low, high) = (quantile(&counts, low).value, quantile(&counts, high).value);
        prop_assert!(low <= high);
        let used = counts.iter().any(|count| *count > 0);
        prop_assert_eq!(low.is_some(), used);
        prop_assert!(high.is_none_or(|high| high.0 <= 1 << 36));
    }
}
