//! What a guest shows that is more than one number over its limit.

use super::observation::VmObservation;
use super::rules::Rules;
use super::vm::Word;
use crate::policy::tri_state::{all, rate, share};

/// Its guest's OOM killer struck while its balloon kept memory from it. A guest that had all
/// of its memory would have killed without a balloon too.
pub fn killed(now: &VmObservation, word: Option<&Word>) -> bool {
    let kept = word.zip(now.maximum).is_some_and(|(word, maximum)| word.size < maximum);
    kept && now.guest.is_some_and(|guest| guest.killed)
}

/// It reads again and again what its cache has no room for, and more memory would.
pub fn thrashes(rules: &Rules, now: &VmObservation, word: Option<&Word>) -> Option<bool> {
    let faults = now.guest.as_ref().and_then(|guest| rate(guest.major_faults));
    let faults = if rules.senses.guest_faults { faults } else { Some(0.0) };
    let full = word.map(|word| share(word.free, word.size) < rules.guest_full);
    let near = word.map(|word| share(word.available, word.size) < 2.0 * rules.guest_tight);
    all([full, near, faults.map(|faults| faults >= rules.guest_thrash)])
}
