//! Log-linear histograms of durations: each power of two is cut into sixteen, so a
//! bucket is at most a sixteenth of its lower bound wide, and its middle within a 32nd of
//! whatever it counts. The kernel side finds the bucket, user space turns buckets back
//! into nanoseconds.

/// Durations below `2^FIRST_EXPONENT` ns (1024 ns) share the first bucket.
const FIRST_EXPONENT: u32 = 10;
/// Durations of `2^LAST_EXPONENT` ns (about 69 s) and more share the last one.
const LAST_EXPONENT: u32 = 36;
/// Longer waits are not told apart.
pub const LONGEST_NS: u64 = 1 << LAST_EXPONENT;
const SUB_BITS: u32 = 4;

/// Buckets in a histogram.
pub const HISTOGRAM_BUCKETS: usize = (((LAST_EXPONENT - FIRST_EXPONENT) << SUB_BITS) + 2) as usize;

/// Counts by bucket; [`bucket_range_ns`] tells what each stands for.
pub type Histogram = [u64; HISTOGRAM_BUCKETS];

/// The bucket of a duration in nanoseconds; always below [`HISTOGRAM_BUCKETS`].
#[inline(always)]
pub const fn bucket_of(ns: u64) -> usize {
    if ns < 1 << FIRST_EXPONENT {
        return 0;
    }
    if ns >= 1 << LAST_EXPONENT {
        return HISTOGRAM_BUCKETS - 1;
    }
    let exponent = 63 - ns.leading_zeros();
    let sub = (ns >> (exponent - SUB_BITS)) as usize & ((1 << SUB_BITS) - 1);
    1 + (((exponent - FIRST_EXPONENT) as usize) << SUB_BITS) + sub
}

/// The durations that a bucket counts, as `[from, to)` in nanoseconds. The last
/// bucket is open; its upper bound is `u64::MAX`.
pub const fn bucket_range_ns(bucket: usize) -> (u64, u64) {
    if bucket == 0 {
        return (0, 1 << FIRST_EXPONENT);
    }
    if bucket >= HISTOGRAM_BUCKETS - 1 {
        return (1 << LAST_EXPONENT, u64::MAX);
    }
    let index = bucket - 1;
    let exponent = FIRST_EXPONENT + (index >> SUB_BITS) as u32;
    let sub = (index & ((1 << SUB_BITS) - 1)) as u64;
    let width = 1 << (exponent - SUB_BITS);
    let from = (1 << exponent) + sub * width;
    (from, from + width)
}
