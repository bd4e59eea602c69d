//! What a guest shows that is more than one number over its limit.

use super::observation::VmObservation;
use super::rules::Rules;
use super::vm::GuestReport;
use crate::policy::tri_state::{all, rate, share};

/// Its guest's OOM killer struck while its balloon kept memory from it. A guest that had all
/// of its memory would have killed without a balloon too.
pub fn killed(now: &VmObservation, report: Option<&GuestReport>) -> bool {
    let kept = report.zip(now.maximum).is_some_and(|(report, maximum)| report.size < maximum);
    kept && now.guest.is_some_and(|guest| guest.killed)
}

/// It rereads files that its cache has no room for, so that more memory would help. `kept`:
/// memtrace keeps memory from it; then fewer faults suffice, whatever is available.
pub fn thrashes(
    rules: &Rules,
    now: &VmObservation,
    report: Option<&GuestReport>,
    kept: bool,
) -> Option<bool> {
    let faults = now.guest.as_ref().and_then(|guest| rate(guest.major_faults));
    let faults = if rules.capabilities.guest_faults { faults } else { Some(0.0) };
    let full = report.zip(now.maximum);
    let full = full.map(|(report, maximum)| rules.is_full(report.free, report.size, maximum));
    let near = report.map(|report| share(report.available, report.size) < 2.0 * rules.guest_tight);
    let (near, limit) = match kept {
        true => (Some(true), rules.guest_thrash_kept.min(rules.guest_thrash)),
        false => (near, rules.guest_thrash),
    };
    all([full, near, faults.map(|faults| faults >= limit)])
}
