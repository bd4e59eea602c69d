//! The escalation steps: alert, inflate, win back cold memory through the cgroup. Each
//! has its own conditions; there is none that kills. The last one, the hook, is in `hook`.

use super::decision::{Action, Decision};
use super::gate::{GateAnswer, allowed, gate, running};
use super::host::Host;
use super::reason::{GateKind, Reason, RuleId};
use super::rules::Rules;
use super::state::{Level, PolicyState};
use super::thought::Gate;
use super::vm::Vm;
use crate::policy::reclaim_backoff;
use crate::policy::tri_state::{percent, whole_mib};
use crate::units::{Bytes, Nanos};

/// Time that balloons must have left the need unmet before cold pages are reclaimed.
const PATIENCE: Nanos = Nanos(10_000_000_000);

/// The escalation steps before the hook, and whether each is taken. None is while the scope is
/// unknown.
pub fn steps(rules: &Rules, state: &PolicyState, at: Nanos, host: Option<&Host>) -> Vec<Gate> {
    let Some(host) = host else {
        let kinds = [GateKind::Alert, GateKind::Inflate, GateKind::Reclaim];
        return kinds.map(|kind| gate(kind, Err(Reason::ScopeUnknown))).to_vec();
    };
    let level = host.level;
    let is = Reason::LevelIs { level, from: Level::Hard };
    let alert = if level >= Level::Hard { Ok(is) } else { Err(is) };
    let inflate =
        if rules.inflate { Ok(Reason::LevelNow { level }) } else { Err(Reason::SwitchedOff) };
    vec![
        gate(GateKind::Alert, alert),
        gate(GateKind::Inflate, inflate),
        gate(GateKind::Reclaim, reclaims(rules, state, at, host)),
    ]
}

fn reclaims(rules: &Rules, state: &PolicyState, at: Nanos, host: &Host) -> GateAnswer {
    if !rules.win_back {
        return Err(Reason::SwitchedOff);
    }
    let unmet = state.unmet_since.map(|since| at.saturating_sub(since));
    let kept = rules.kept(host.total);
    let reason = Reason::BalloonsEmpty {
        level: host.level,
        since: unmet.unwrap_or(Nanos(0)),
        kept,
        patience: PATIENCE,
    };
    // Relief gives nothing below the reserve. While no VM waits for it, choosing pages is better
    // left to the kernel, because not all that memory.reclaim takes first is cold.
    let short = host.available < kept && state.waiting;
    let is_due = short && unmet.is_some_and(|unmet| unmet >= PATIENCE);
    if is_due { Ok(reason) } else { Err(reason) }
}

/// Reclaims cold pages of a VM whose balloon has nothing to give. Proportional to the margin
/// between the cgroup's PSI and its limit.
pub fn win_back(rules: &Rules, vm: &Vm<'_>, duplicate: bool, need: Bytes) -> Option<Decision> {
    let rested =
        vm.memory.reclaimed.is_none_or(|then| vm.at.saturating_sub(then) >= rules.reclaim_pause);
    let most = reclaimable(rules, vm, duplicate).filter(|_| rested && vm.memory.capacity <= 0.0)?;
    let (psi, rss) = (percent(vm.now.psi_some)?, vm.now.rss?);
    let bytes = whole_mib(most.min(need));
    (bytes.0 > 0).then_some(Decision {
        vm: vm.now.id,
        action: Action::Reclaim { bytes },
        rule: RuleId::Reclaim,
        reason: Reason::ColdPages { psi, limit: rules.reclaim_psi, bytes, rss },
    })
}

/// The most that one step reclaims from a VM whose cgroup may be used, without regard to the pause
/// between steps.
pub fn reclaimable(rules: &Rules, vm: &Vm<'_>, duplicate: bool) -> Option<Bytes> {
    let ready = [allowed(vm, duplicate), running(vm)].iter().all(Result::is_ok)
        && vm.now.takes_reclaim
        && vm.now.pinned.is_none()
        && vm.in_distress == Some(false)
        && reclaim_backoff::rests(vm.memory, vm.at).is_none();
    let left = 1.0 - percent(vm.now.psi_some)? / rules.reclaim_psi;
    let most = Bytes((rules.reclaim.0 as f64 * left.max(0.0)) as u64);
    let most = most.min(Bytes(vm.now.rss?.0 / 20));
    (ready && left > 0.0).then_some(most)
}
