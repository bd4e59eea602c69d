//! Quantiles of a histogram of waits, in the buckets of the eBPF programs.

use memtrace_ebpf::bucket_range_ns;

/// The duration in nanoseconds below which `share` (0 to 1) of the counted waits lie: the
/// middle of the bucket that holds the wait of that rank. A bucket doesn't tell where in it
/// a wait lies, and its middle is at most half its width off (a 32nd of the duration); a
/// value interpolated by rank would be off by up to all of it. For the last bucket, which
/// has no end, its lower bound. `None` when nothing was counted.
pub fn quantile(counts: &[u64], share: f64) -> Option<u64> {
    let (from, to) = bucket_range_ns(bucket(counts, share)?);
    Some(if to == u64::MAX { from } else { from.midpoint(to) })
}

/// The bucket of the wait whose rank is `share` of all waits, rounded up (nearest rank).
pub fn bucket(counts: &[u64], share: f64) -> Option<usize> {
    let total: u128 = counts.iter().copied().map(u128::from).sum();
    let rank = ((total as f64 * share.clamp(0.0, 1.0)).ceil() as u128).clamp(1, total.max(1));
    let mut below = 0;
    counts.iter().position(|count| {
        below += u128::from(*count);
        below >= rank
    })
}
