//! The last escalation step: the operator's hook is told what balloons and cold pages cannot free,
//! and may migrate a VM or page an operator. It is a message only, so an unknown VM doesn't
//! suppress it; the text names what is unknown.

use super::decision::{Call, Suffering};
use super::gate::{GateAnswer, gate};
use super::host::Host;
use super::reason::{GateKind, Reason};
use super::rules::Rules;
use super::state::{Level, PolicyState};
use super::thought::Gate;
use super::thought::Term;
use super::vm::Vm;
use crate::policy::escalation::reclaimable;
use crate::units::{Bytes, Nanos};

/// Memory that the earlier escalation steps can still free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub balloons: Bytes,
    pub reclaim: Bytes,
}

impl Left {
    /// Adds what one VM can give. `room`: above its floor, where its balloon moves.
    pub fn add(&mut self, rules: &Rules, vm: &Vm<'_>, duplicate: bool, room: Bytes) {
        if rules.inflate {
            self.balloons = self.balloons.saturating_add(room);
        }
        if let Some(bytes) = reclaimable(rules, vm, duplicate).filter(|_| rules.win_back) {
            self.reclaim = self.reclaim.saturating_add(bytes);
        }
    }
}

/// Result of the step.
pub struct HookStep {
    pub gate: Gate,
    /// The arithmetic, when there is one to show.
    pub term: Option<Term>,
    /// All escalation steps together cannot meet the need.
    pub short: bool,
    pub call: Option<Call>,
}

impl HookStep {
    pub fn unknown() -> Gate {
        gate(GateKind::Hook, Err(Reason::ScopeUnknown))
    }

    /// Whether the hook is told now, with `need` to be freed.
    pub fn of(
        rules: &Rules,
        state: &PolicyState,
        at: Nanos,
        host: &Host,
        (need, left): (Bytes, Left),
        vms: &[Vm<'_>],
    ) -> Self {
        let missing = need.saturating_sub(left.balloons).saturating_sub(left.reclaim);
        let short = host.level == Level::Low && missing >= rules.least_step.max(Bytes(1));
        let since = state.short_since.filter(|_| short).unwrap_or(at);
        let lasts = at.saturating_sub(since);
        let Left { balloons, reclaim } = left;
        let term = Term::Missing { missing, need, balloons, reclaim };
        let verdict = may(rules, state, at, host, (missing, short, lasts));
        let call = verdict.is_ok().then(|| Call {
            need,
            missing,
            balloons,
            reclaim,
            lasts,
            after: rules.hook.after,
            suffering: suffering(vms),
            host: host.standing(),
            unknown: vms.iter().filter(|vm| vm.report.is_err()).count(),
            vms: vms.len(),
            leave: rules.low + rules.leaves(),
            least: rules.least_step,
        });
        let term = (host.level == Level::Low).then_some(term);
        Self { gate: gate(GateKind::Hook, verdict), term, short, call }
    }
}

fn may(
    rules: &Rules,
    state: &PolicyState,
    at: Nanos,
    host: &Host,
    (missing, short, lasts): (Bytes, bool, Nanos),
) -> GateAnswer {
    let hook = rules.hook;
    if !hook.on {
        return Err(Reason::SwitchedOff);
    }
    if !hook.heard {
        return Err(Reason::NoHookCommand);
    }
    let reason = Reason::Missing {
        level: host.level,
        missing,
        lasts,
        least: rules.least_step,
        after: hook.after,
    };
    if !short || lasts < hook.after {
        return Err(reason);
    }
    match state.told.map(|told| at.saturating_sub(told)) {
        Some(since) if since < hook.pause => Err(Reason::HookCalled { since, pause: hook.pause }),
        _ => Ok(reason),
    }
}

fn suffering(vms: &[Vm<'_>]) -> Vec<Suffering> {
    let hurt = vms.iter().filter(|vm| vm.in_distress == Some(true));
    hurt.map(|vm| Suffering { vm: vm.now.id, from: vm.suffering() }).collect()
}
