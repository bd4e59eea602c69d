//! What hypervisor and guest say of one VM. The guest's numbers are untrusted; they are
//! shown with their age, and nothing here believes them beyond that.

use crate::format::span;
use crate::model::Measured;
use crate::sample::{GuestStats, VmSample};
use crate::signal::{Quality, reason_or};
use crate::units::{Bytes, Nanos, WallNanos};

/// Guest statistics older than this are stale: two periods of 2 s, after which Proxmox
/// gives them up too, and a second for the whole-second resolution of `last-update`.
pub const STALE_AFTER: Nanos = Nanos(5_000_000_000);

/// Why the size of a balloon isn't shown.
const TOO_MUCH: &str = "it is told to be more than the VM has";
/// Why no size that the guest tells is.
const NOT_BELIEVED: &str = "the guest tells of more memory than the VM has";

pub(super) struct GuestView {
    pub(super) actual: Measured<Bytes>,
    pub(super) maximum: Measured<Bytes>,
    pub(super) total: Measured<Bytes>,
    pub(super) available: Measured<Bytes>,
    pub(super) stats: Measured<GuestStats>,
    pub(super) age: Measured<Nanos>,
}

pub(super) fn view(vm: &VmSample, wall: WallNanos) -> GuestView {
    let guest = &vm.guest;
    let problem = guest.problem.as_deref();
    let has = guest.maximum.max(vm.allocated);
    let of_balloon = |value: Option<Bytes>| match value {
        None => Measured::absent(reason_or(problem, "no source for the size of its balloon")),
        Some(told) if exceeds(told, has) => Measured::absent(TOO_MUCH),
        Some(told) => Measured::exact(told),
    };
    // Without an answer of the hypervisor the size at start is known, but memory may have been
    // plugged in since.
    let maximum = match (guest.maximum, vm.allocated) {
        (None, Some(size)) => Measured::approximate(size, "what it was started with"),
        (known, _) => of_balloon(known),
    };
    let Some(told) = guest.stats else {
        let reason = reason_or(problem, "no guest statistics");
        return GuestView {
            actual: of_balloon(guest.actual),
            maximum,
            total: Measured::absent(reason.clone()),
            available: Measured::absent(reason.clone()),
            stats: Measured::absent(reason.clone()),
            age: Measured::absent(reason),
        };
    };
    let age = age(&told, wall);
    let freshness = freshness(&age);
    let stats = possible(told, has);
    let of_guest = |name: &str, told: Option<Bytes>, value: Option<Bytes>| match (value, told) {
        (Some(value), _) => Measured::new(Some(value), freshness.clone()),
        (None, Some(_)) => Measured::absent(NOT_BELIEVED),
        (None, None) => Measured::absent(format!("the guest does not report its {name} memory")),
    };
    let actual = of_balloon(guest.actual);
    let total = stats
        .total
        .map(|total| without_balloon(total, guest.deflate_on_oom, actual.value, guest.maximum));
    GuestView {
        actual,
        maximum,
        total: of_guest("total", told.total, total),
        available: of_guest("available", told.available, stats.available),
        stats: Measured::new(Some(stats), freshness),
        age,
    }
}

/// What the guest says, without the sizes if one of them is more than the VM `has`: who is wrong in
/// one isn't believed in the others.
fn possible(stats: GuestStats, has: Option<Bytes>) -> GuestStats {
    let GuestStats { total, free, available, disk_caches, .. } = stats;
    let sizes = [total, free, available, disk_caches];
    if !sizes.into_iter().flatten().any(|told| exceeds(told, has)) {
        return stats;
    }
    GuestStats { total: None, free: None, available: None, disk_caches: None, ..stats }
}

fn exceeds(told: Bytes, has: Option<Bytes>) -> bool {
    has.is_some_and(|has| told > has)
}

/// A guest that reports all but so small a part of its maximum as total leaves nothing out of it:
/// Linux' own tables of pages take more.
const NOTHING_LEFT_OUT: u64 = 128;

/// What a guest has of its total memory. Linux with deflate-on-oom counts the balloon in it,
/// Windows always does.
pub fn without_balloon(
    total: Bytes,
    deflate_on_oom: Option<bool>,
    actual: Option<Bytes>,
    maximum: Option<Bytes>,
) -> Bytes {
    let (Some(actual), Some(maximum)) = (actual, maximum) else { return total };
    let nearly_all = maximum.saturating_sub(Bytes(maximum.0 / NOTHING_LEFT_OUT));
    let counted = deflate_on_oom == Some(true) || (nearly_all..=maximum).contains(&total);
    if counted && total > actual {
        total.saturating_sub(maximum.saturating_sub(actual))
    } else {
        total
    }
}

/// Time since the guest last answered. A moment in the future, beyond the second that
/// rounding explains, gives no age.
fn age(stats: &GuestStats, wall: WallNanos) -> Measured<Nanos> {
    let Some(updated) = stats.updated else {
        return Measured::absent("the hypervisor does not report when the guest last answered");
    };
    if updated.0 > wall.0.saturating_add(Nanos::SECOND.0) {
        return Measured::absent("the guest's last answer lies in the future");
    }
    Measured::exact(Nanos(wall.0.saturating_sub(updated.0)))
}

/// Quality of what the guest said, by its age.
fn freshness(age: &Measured<Nanos>) -> Quality {
    match (age.value, age.quality.reason()) {
        (Some(age), _) if age <= STALE_AFTER => Quality::Exact,
        (Some(age), _) => {
            Quality::approximate(format!("stale: the guest last answered {} ago", span(age)))
        }
        (None, reason) => Quality::approximate(reason_or(reason, "of unknown age")),
    }
}
