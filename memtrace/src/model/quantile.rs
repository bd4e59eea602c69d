//! Quantiles of a histogram. Depends on nothing of memtrace but its buckets: the lab reads
//! it too.

use memtrace_ebpf::bucket_range_ns;

/// The duration in nanoseconds below which `share` (0 to 1) of the counted waits lie,
/// interpolated linearly inside its bucket. For the last bucket, which has no end, its
/// lower bound. `None` when nothing was counted.
pub fn quantile(counts: &[u64], share: f64) -> Option<u64> {
    let total: f64 = counts.iter().map(|count| *count as f64).sum();
    let rank = total * share.clamp(0.0, 1.0);
    let mut below = 0.0;
    let mut last = None;
    for (bucket, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (from, to) = bucket_range_ns(bucket);
        let open = to == u64::MAX;
        let width = if open { 0.0 } else { (to - from) as f64 };
        let into = ((rank - below) / *count as f64).clamp(0.0, 1.0);
        last = Some(from + (width * into) as u64);
        below += *count as f64;
        if below >= rank {
            break;
        }
    }
    last
}
