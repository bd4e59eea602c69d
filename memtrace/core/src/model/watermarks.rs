//! The levels of free memory at which Linux begins and ends to reclaim, in base pages.

use crate::units::Bytes;

/// Of a base page.
const PAGE: Bytes = Bytes(4096);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// Below it, who allocates has to reclaim.
    pub min: u64,
    /// Below it, kswapd wakes.
    pub low: u64,
    /// At it, kswapd sleeps again.
    pub high: u64,
}

/// A zone keeps 11 page blocks of 512 pages free: two, and three times three for the types of
/// pages that are kept apart. 5 % of memory at most.
const HUGE_PER_ZONE: u64 = 11 * 512;
/// x86 has a zone below 16 MiB, one below 4 GiB, and one beyond, where there is so much (with
/// the hole for devices, from 3 GiB).
const BELOW_4_GIB: u64 = (3 << 30) / PAGE.0;

impl Watermarks {
    /// What a machine that began with so much memory keeps free when its kswapd has done its work.
    /// A balloon doesn't change that.
    pub fn kept_free(memory: Bytes) -> Bytes {
        Bytes(Self::of(memory.0 / PAGE.0).high * PAGE.0)
    }

    /// Of a machine with so many pages: min is 4 * sqrt(KiB) KiB, or what transparent huge pages
    /// ask for, and the others lie above it by the larger of min / 4 and 1/1000 of memory each
    /// (`init_per_zone_wmark_min` and `__setup_per_zone_wmarks` in mm/page_alloc.c,
    /// watermark_scale_factor 10; `set_recommended_min_free_kbytes` in mm/khugepaged.c).
    pub fn of(pages: u64) -> Self {
        let kib = pages * PAGE.0 / 1024;
        let zones = if pages > BELOW_4_GIB { 3 } else { 2 };
        let huge = (HUGE_PER_ZONE * zones).min(pages / 20);
        let min = ((kib * 16).isqrt() * 1024 / PAGE.0).max(huge);
        let step = (min / 4).max(pages / 1000);
        Self { min, low: min + step, high: min + 2 * step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_gib_keep_what_linux_keeps() {
        let marks = Watermarks::of((16 << 30) / PAGE.0);
        let mib = [marks.min, marks.low, marks.high].map(|pages| (pages * PAGE.0) >> 20);
        assert_eq!(mib, [66, 82, 99]);
    }
}
