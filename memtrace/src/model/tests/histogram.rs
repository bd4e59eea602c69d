//! Quantiles and growth of distributions.

use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_of, bucket_range_ns};
use proptest::prelude::*;

use super::fixture::{after, between};
use crate::model::{Measured, quantile};
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

#[test]
fn a_quantile_is_interpolated_inside_its_bucket() {
    let (from, to) = bucket_range_ns(bucket_of(1_000_000));
    let counts = counts(&[(1_000_000, 100)]);
    assert_eq!(quantile(&counts, 0.0), Some(Nanos(from)));
    assert_eq!(quantile(&counts, 0.5), Some(Nanos(from + (to - from) / 2)));
    assert_eq!(quantile(&counts, 1.0), Some(Nanos(to)));
}

#[test]
fn a_quantile_lies_in_the_bucket_that_holds_its_rank() {
    let counts = counts(&[(2_000, 98), (50_000_000, 2)]);
    let (from, to) = bucket_range_ns(bucket_of(50_000_000));
    let p99 = quantile(&counts, 0.99).expect("there are waits").0;
    assert!((from..=to).contains(&p99), "{p99} not in {from}..={to}");
    assert!(quantile(&counts, 0.5).expect("there are waits").0 < 3_000);
}

#[test]
fn nothing_counted_has_no_quantile() {
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&[0, 0, 0], 0.5), None);
}

#[test]
fn the_open_bucket_gives_its_lower_bound() {
    let counts = counts(&[(u64::MAX, 3)]);
    assert_eq!(quantile(&counts, 0.99), Some(Nanos(1 << 36)));
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
    fn quantiles_grow_with_their_share_and_stay_within_the_buckets_used(
        counts in prop::collection::vec(0..u64::MAX, 0..=HISTOGRAM_BUCKETS),
        a in 0.0..=1.0_f64,
        b in 0.0..=1.0_f64,
    ) {
        let (low, high) = (a.min(b), a.max(b));
        let (low, high) = (quantile(&counts, low), quantile(&counts, high));
        prop_assert!(low <= high);
        let used = counts.iter().any(|count| *count > 0);
        prop_assert_eq!(low.is_some(), used);
        prop_assert!(high.is_none_or(|high| high.0 <= 1 << 36));
    }
}
