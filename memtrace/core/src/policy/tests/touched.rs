//! A guest that takes memory while its last word is some seconds old.

use super::fixture::{GIB, MIB, host, slow_swap, vm};
use crate::policy::{Observation, Policy, RuleId, Rules};
use crate::units::{Bytes, Nanos};

/// A host that is low from the fourth second on, and a VM of 4 GiB. The host keeps so much of
/// it, in MiB; its guest said 3 s ago that it uses so much.
fn look(second: u64, kept: u64, used: u64) -> Observation {
    let mut vm = vm(1);
    vm.rss = Some(Bytes(kept * MIB));
    vm.dead = Some(Bytes(kept.saturating_sub(used) * MIB));
    let said = vm.guest.as_mut().expect("it speaks");
    said.age = Some(Nanos(3 * Nanos::SECOND.0));
    said.total = Some(Bytes(4 * GIB));
    said.free = Some(Bytes(4 * GIB - used * MIB));
    said.available = said.free;
    host(second, if second < 4 { 31 << 10 } else { 1024 }, vec![vm])
}

/// When the first order came, and by which rule.
fn first(looks: impl Iterator<Item = (u64, u64)>) -> Option<(u64, RuleId)> {
    let mut policy = slow_swap(Rules::default());
    (1..).zip(looks).find_map(|(second, (kept, used))| {
        let decisions = policy.step(&look(second, kept, used));
        decisions.actions.into_iter().next().map(|decision| (second, decision.rule))
    })
}

#[test]
fn what_was_touched_since_the_guests_word_is_not_dead() {
    let at_work = |second: u64| 512 + 100 * second;
    // It was there when the guest spoke.
    let still = first((1..20).map(|_| (3000, 512)));
    assert_eq!(still, Some((4, RuleId::Dead)));
    // All that looks dead came in the last three seconds.
    let growing = (4..24).map(|second| (at_work(second), at_work(second - 3)));
    assert_eq!(first(growing), None);
}
