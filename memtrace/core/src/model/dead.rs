//! Dead memory: what the host keeps for a guest that the guest itself has no use for.

use crate::model::Measured;
use crate::model::guest::GuestView;
use crate::model::pair::Pair;
use crate::signal::Quality;
use crate::units::Bytes;

/// What the host keeps of a VM beside the guest's memory, at most: the VMM itself, its devices.
pub const OVERHEAD: Bytes = Bytes(256 << 20);

/// max(0, footprint - live), where footprint = RSS + huge pages + swap of the process, at most the
/// VM's size and [`OVERHEAD`], and live = the guest's total - free: what the operators of
/// shakenfist/shakenfist#3920 worked out by hand. The hypervisor's own memory is in the footprint,
/// some tens of MiB.
pub(super) fn dead(pair: &Pair<'_>, guest: &GuestView) -> Measured<Bytes> {
    let process = &pair.now.process;
    let (Some(rss), Some(swap)) = (process.rss, process.swap) else {
        return Measured::absent("resident or swapped memory of its process is not known");
    };
    let Some(stats) = &guest.stats.value else {
        return Measured { value: None, quality: guest.stats.quality.clone() };
    };
    let (Some(total), Some(free)) = (guest.total.value, stats.free) else {
        return Measured::absent("the guest does not report its total and free memory");
    };
    if stats.total.is_none_or(|total| free > total) {
        return Measured::absent("the guest reports more free memory than it has");
    }
    let huge = process.hugetlb.unwrap_or(Bytes(0));
    let kept = rss.saturating_add(huge).saturating_add(swap);
    // Beyond all that its guest can have it is the hypervisor's own, which no balloon frees.
    let most =
        guest.maximum.value.max(pair.now.allocated).map(|size| size.saturating_add(OVERHEAD));
    let footprint = most.map_or(kept, |most| kept.min(most));
    let live = total.saturating_sub(free);
    let dead = Measured::new(Some(footprint.saturating_sub(live)), guest.stats.quality.clone());
    let beyond = kept.saturating_sub(footprint);
    let dead = match beyond.0 {
        0 => dead,
        _ => dead.limited_by(Quality::approximate(format!(
            "without {} MiB that its process keeps beyond its size",
            beyond.0 >> 20
        ))),
    };
    match pair.shared_memory() {
        None => dead,
        Some(reason) => dead.limited_by(Quality::approximate(reason)),
    }
}
