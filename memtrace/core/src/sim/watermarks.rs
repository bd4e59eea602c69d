//! The levels of free memory at which Linux begins and ends to reclaim, in base pages.

use super::size::PAGE;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watermarks {
    /// Below it, who allocates has to reclaim.
    pub(super) min: u64,
    /// Below it, kswapd wakes.
    pub(super) low: u64,
    /// At it, kswapd sleeps again.
    pub(super) high: u64,
}

impl Watermarks {
    /// Of a machine with so many pages: min is 4 * sqrt(KiB) KiB, and the others lie above
    /// it by the larger of min / 4 and 1/1000 of memory each (`init_per_zone_wmark_min`
    /// and `__setup_per_zone_wmarks` in mm/page_alloc.c, watermark_scale_factor 10).
    pub(super) fn of(pages: u64) -> Self {
        let kib = pages * PAGE.0 / 1024;
        let min = (kib * 16).isqrt() * 1024 / PAGE.0;
        let step = (min / 4).max(pages / 1000);
        Self { min, low: min + step, high: min + 2 * step }
    }
}

#[cfg(test)]
mod tests {
    use super::super::size::{GIB, MIB};
    use super::*;

    #[test]
    fn sixteen_gib_keep_what_linux_keeps() {
        let marks = Watermarks::of(16 * GIB / PAGE.0);
        let mib = [marks.min, marks.low, marks.high].map(|pages| pages * PAGE.0 / MIB);
        assert_eq!(mib, [16, 32, 48]);
    }
}
