//! Following a VM's balloon: what was ordered and how far it came, and whether somebody
//! else moved it. The only place that compares sizes with the trail of orders.

use super::observation::VmObservation;
use super::rules::{Rules, Safety};
use super::state::{Ordered, StoodDown, VmState};
use crate::units::{Bytes, Nanos};

/// Sizes that differ by no more are the same: hypervisors round.
pub const SAME: u64 = 4 << 20;
/// A balloon that came so much nearer has moved.
const PROGRESS: u64 = 1 << 20;

/// Where a balloon stands with what was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Nothing is under way.
    Still,
    /// So much is left to go.
    Moving(Bytes),
    /// No progress for so long.
    Stuck(Nanos, Bytes),
}

/// Takes in the size as it is. While a guest boots, its own driver moves its balloon.
pub fn follow(rules: &Rules, memory: &mut VmState, at: Nanos, vm: &VmObservation) {
    memory.seen = at;
    let restarted =
        matches!((memory.cpu_time, vm.cpu_time), (Some(before), Some(now)) if now < before);
    if restarted {
        *memory = VmState { seen: at, ..VmState::default() };
    }
    memory.cpu_time = vm.cpu_time.or(memory.cpu_time);
    if let (Some(rss), Some(swap)) = (vm.rss, vm.swap) {
        memory.keep(at, rss.saturating_add(swap));
    }
    memory.beside = [memory.beside, vm.dead].into_iter().flatten().min();
    let Some(actual) = vm.actual else { return };
    if let Some(&(_, before)) = memory.sizes.back()
        && is_foreign(memory.order, before, actual)
    {
        memory.order = None;
        memory.base = Some(actual);
        if is_booted(rules, vm) != Some(false) && rules.has(Safety::Foreign) {
            memory.stood_down = Some(StoodDown { at, from: before, to: actual });
        }
    }
    let base = memory.base.map_or(actual, |base| base.max(actual));
    memory.base = Some(base);
    memory.size(at, actual);
    if let Some(order) = &mut memory.order {
        let left = Bytes(actual.0.abs_diff(order.to.0));
        if left.0.saturating_add(PROGRESS) <= order.nearest.0 {
            order.nearest = left;
            order.progressed = at;
        }
    }
    let forgiven = |stood: &StoodDown| at.saturating_sub(stood.at) >= rules.stand_down;
    memory.stood_down = memory.stood_down.filter(|stood| !forgiven(stood));
}

/// By the CPU time that each of its CPUs had.
pub fn is_booted(rules: &Rules, vm: &VmObservation) -> Option<bool> {
    let needed = rules.boot.0.saturating_mul(u64::from(vm.vcpus?.max(1)));
    Some(vm.cpu_time?.0 >= needed)
}

/// A balloon that moved, and not by this order.
pub fn is_foreign(order: Option<Ordered>, before: Bytes, actual: Bytes) -> bool {
    before.0.abs_diff(actual.0) > SAME && !is_ours(order, before, actual)
}

/// A move between the size before and what was ordered is the order being carried out.
fn is_ours(order: Option<Ordered>, before: Bytes, actual: Bytes) -> bool {
    order.is_some_and(|order| {
        let low = before.min(order.to).0.saturating_sub(SAME);
        let high = before.max(order.to).0.saturating_add(SAME);
        (low..=high).contains(&actual.0)
    })
}

/// Whether it may be shrunk again, by the clock alone.
pub fn is_cool(rules: &Rules, shrunk: Option<Nanos>, at: Nanos) -> bool {
    let since = shrunk.map(|shrunk| at.saturating_sub(shrunk));
    !rules.has(Safety::CoolDown) || since.is_none_or(|since| since >= rules.cool_down)
}

/// How an order comes on. Without a size, it is on its way.
pub fn motion(rules: &Rules, memory: &VmState, at: Nanos, actual: Option<Bytes>) -> Motion {
    let Some(order) = memory.order.filter(|_| rules.has(Safety::Moving)) else {
        return Motion::Still;
    };
    let Some(actual) = actual else {
        return Motion::Moving(Bytes(order.from.0.abs_diff(order.to.0)));
    };
    let left = Bytes(actual.0.abs_diff(order.to.0));
    if left.0 <= SAME {
        return Motion::Still;
    }
    let idle = at.saturating_sub(order.progressed);
    if idle >= rules.stuck { Motion::Stuck(idle, left) } else { Motion::Moving(left) }
}

/// What an order to shrink will still free. A stuck balloon frees nothing, and an order
/// whose end nobody sees is given up after a while.
pub fn to_come(rules: &Rules, memory: &VmState, at: Nanos, actual: Option<Bytes>) -> Bytes {
    let Some(order) = memory.order.filter(|order| order.to < order.from) else { return Bytes(0) };
    if at.saturating_sub(order.at) >= rules.flagged {
        return Bytes(0);
    }
    match (motion(rules, memory, at, actual), actual) {
        (Motion::Moving(left), Some(actual)) if actual > order.to => left,
        // As far as it can be from there and be this order still; else others would be asked
        // for the difference.
        (Motion::Moving(_), None) => {
            let before = memory.sizes.back().map_or(order.from, |&(_, size)| size.max(order.from));
            before.saturating_add(Bytes(SAME)).saturating_sub(order.to)
        }
        _ => Bytes(0),
    }
}

/// Notes an order.
pub fn ordered(memory: &mut VmState, at: Nanos, from: Bytes, to: Bytes) {
    let nearest = Bytes(from.0.abs_diff(to.0));
    memory.order = Some(Ordered { at, from, to, progressed: at, nearest });
    if to < from {
        memory.shrunk = Some(at);
    } else {
        memory.grown = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balloon_that_nobody_sees_frees_no_less_than_one_that_is_seen() {
        let (from, to) = (Bytes(4096 << 20), Bytes(3892 << 20));
        let mut memory = VmState::default();
        memory.size(Nanos(0), from);
        ordered(&mut memory, Nanos(0), from, to);
        let frees = |actual| to_come(&Rules::default(), &memory, Nanos::SECOND, actual);
        for mib in [4100, 4096, 4000, 3892] {
            let seen = frees(Some(Bytes(mib << 20)));
            assert!(frees(None) >= seen, "{mib}: {:?}, seen {seen:?}", frees(None));
        }
    }
}
