//! Tracks a VM's balloon: its progress towards the ordered size, and moves by other programs. No
//! other module compares sizes with earlier orders.

use super::observation::VmObservation;
use super::rules::{Rules, Safety};
use super::state::{Ordered, StoodDown, VmState};
use crate::policy::tri_state::share;
use crate::units::{Bytes, Nanos};

/// Sizes that differ by at most this count as equal, because hypervisors round.
pub const SAME: u64 = 4 << 20;
/// A balloon has moved when it is nearer to its target by at least this.
const PROGRESS: u64 = 1 << 20;

/// For this long after a balloon grew by itself it may return to its last target: a booting guest's
/// driver inflates it again, at some hundred MiB/s.
const SETTLES: Nanos = Nanos(60_000_000_000);

/// State of a balloon relative to the ordered size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// No order in flight.
    Still,
    /// Bytes left to the target.
    Moving(Bytes),
    /// Time without progress, and bytes left to the target.
    Stuck(Nanos, Bytes),
}

/// Updates the state with the observed size. While a guest boots, its own driver moves its balloon.
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
    if vm.guest.is_some_and(|guest| guest.rebooted) {
        memory.booted_from = memory.cpu_time;
    }
    // A guest of which nothing is known since may be booting still.
    let is_open = memory.stood_down.is_some_and(|stood| stood.open);
    memory.sent = memory.sent.filter(|(_, then)| is_open || at.saturating_sub(*then) < SETTLES);
    settle(rules, memory, at, vm);
    let Some(actual) = vm.actual else { return };
    if let Some(&(_, before)) = memory.sizes.back()
        && is_foreign(memory, before, actual)
    {
        let since = memory.stood_down.map_or(at, |stood| stood.since);
        let open = actual > before;
        moved(rules, memory, StoodDown { at, since, from: before, to: actual, open }, vm);
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

/// Handles a move that no order of ours explains. If the balloon grew, its own driver may have
/// deflated it (guest out of memory, or rebooted); the guest's next statistics tell which.
fn moved(rules: &Rules, memory: &mut VmState, by: StoodDown, vm: &VmObservation) {
    let sent = memory.order.take().map(|order| order.to).or(memory.sent.map(|(sent, _)| sent));
    let is_known = memory.stood_down.is_some_and(|stood| !stood.open);
    let open = by.open && !is_known;
    let boots = is_booted(rules, memory, vm) == Some(false);
    let may_be_its_own = open || (boots && memory.booted_from.is_some());
    memory.sent = sent.filter(|_| may_be_its_own).map(|sent| (sent, by.at));
    if !may_be_its_own {
        memory.base = Some(by.to);
    }
    if !boots && rules.has(Safety::Foreign) {
        memory.stood_down = Some(StoodDown { open, ..by });
    }
}

/// Whether it was its own driver that moved the balloon, by what the guest says since.
fn settle(rules: &Rules, memory: &mut VmState, at: Nanos, vm: &VmObservation) {
    let Some(stood) = memory.stood_down else { return };
    let Some(guest) = vm.guest else { return };
    // It booted between these statistics and the last ones, and so may have moved it since those.
    let may_have_booted = memory.used.is_some_and(|(_, said)| said < stood.since);
    if guest.rebooted && (stood.open || may_have_booted) {
        memory.stood_down = None;
        return;
    }
    if !stood.open {
        return;
    }
    let said = guest.age.map(|age| at.saturating_sub(age));
    let (Some(available), Some(size)) = (guest.available, vm.actual) else { return };
    if said.is_none_or(|said| said < stood.at) {
        return;
    }
    let short = share(available, size) < rules.guest_tight;
    if vm.deflate_on_oom == Some(true) && short {
        memory.stood_down = None;
    } else {
        memory.sent = None;
        memory.base = vm.actual;
        memory.stood_down = Some(StoodDown { open: false, ..stood });
    }
}

/// By the CPU time that each of its CPUs had since it began to boot.
fn is_booted(rules: &Rules, memory: &VmState, vm: &VmObservation) -> Option<bool> {
    let needed = rules.boot.0.saturating_mul(u64::from(vm.vcpus?.max(1)));
    Some(memory.since_boot(vm.cpu_time)?.0 >= needed)
}

/// A balloon that moved, and not by an order of ours.
pub fn is_foreign(memory: &VmState, before: Bytes, actual: Bytes) -> bool {
    let to = memory.order.map(|order| order.to).or(memory.sent.map(|(sent, _)| sent));
    before.0.abs_diff(actual.0) > SAME && !to.is_some_and(|to| is_between(before, to, actual))
}

/// A move between the size before and what was ordered is the order being carried out.
fn is_between(before: Bytes, to: Bytes, actual: Bytes) -> bool {
    let low = before.min(to).0.saturating_sub(SAME);
    let high = before.max(to).0.saturating_add(SAME);
    (low..=high).contains(&actual.0)
}

/// Whether the cool-down after the last shrink is over.
pub fn is_cool(rules: &Rules, shrunk: Option<Nanos>, at: Nanos) -> bool {
    let since = shrunk.map(|shrunk| at.saturating_sub(shrunk));
    !rules.has(Safety::CoolDown) || since.is_none_or(|since| since >= rules.cool_down)
}

/// Progress of an order. Without a known size it counts as in flight.
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

/// Memory that an order to shrink will still free. A stuck balloon frees nothing, and an order
/// without a visible end is dropped after a while.
pub fn to_come(rules: &Rules, memory: &VmState, at: Nanos, actual: Option<Bytes>) -> Bytes {
    let Some(order) = memory.order.filter(|order| order.to < order.from) else { return Bytes(0) };
    if at.saturating_sub(order.at) >= rules.flagged {
        return Bytes(0);
    }
    match (motion(rules, memory, at, actual), actual) {
        (Motion::Moving(left), Some(actual)) if actual > order.to => left,
        // At most the distance that still belongs to this order; otherwise other VMs would be asked
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
    memory.sent = None;
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
