//! What would have to change for another decision.

use super::costs::AS_FAST;
use super::decision::{Action, Decision};
use super::host::Host;
use super::need::{Need, line};
use super::reason::GateKind;
use super::receive::Demand;
use super::rules::Rules;
use super::state::Level;
use super::thought::{Change, Gate, WhatIf};
use super::vm::Vm;
use crate::policy::tri_state::whole_mib;
use crate::units::Bytes;

/// What a VM is decided by, as far as it got.
pub struct Outlook<'a> {
    pub host: &'a Host,
    pub need: &'a Need,
    pub gates: &'a [Gate],
    pub demand: &'a Demand,
    /// What is decided for it now.
    pub decisions: &'a [&'a Decision],
}

/// What would change a decision that isn't taken. A decision's reason has its own.
pub fn otherwise(rules: &Rules, vm: &Vm<'_>, outlook: &Outlook<'_>) -> Vec<WhatIf> {
    let decided = |grows: bool| {
        outlook.decisions.iter().any(|decision| match decision.action {
            Action::Balloon { from, to } => (to > from) == grows,
            Action::Reclaim { .. } => !grows,
        })
    };
    let mut all = Vec::new();
    if !decided(false) {
        all.push(WhatIf::Gives { changes: giving(rules, outlook) });
    }
    if !decided(true) {
        all.push(receiving(rules, vm, outlook));
        all.extend(returning(rules, vm, outlook.host));
    }
    all
}

/// For the host to be in another state.
pub fn of_host(rules: &Rules, host: &Host) -> Vec<WhatIf> {
    let (left, next) = match host.level {
        Level::Calm => (None, Some((Level::Soft, rules.soft))),
        Level::Soft => (Some(rules.soft), Some((Level::Hard, rules.hard))),
        Level::Hard => (Some(rules.hard), Some((Level::Low, rules.low))),
        Level::Low => (Some(rules.low), None),
    };
    let worse = next.map(|(state, limit)| WhatIf::Worse { state, limit });
    let better = left.map(|limit| WhatIf::Better { state: host.level, limit: limit + rules.leave });
    worse.into_iter().chain(better).collect()
}

fn giving(rules: &Rules, outlook: &Outlook<'_>) -> Vec<Change> {
    let Outlook { host, need, gates, .. } = outlook;
    let mut changes = Vec::new();
    if !rules.inflate {
        changes.push(Change::Inflating);
    }
    if need.bytes.0 == 0 {
        changes.push(Change::Shortage { soft: rules.soft, share: host.share });
    } else if host.quiet || need.in_use.0 == 0 {
        if host.quiet || host.available >= line(rules, host.total) {
            changes.push(Change::Shortage { soft: rules.in_use, share: host.share });
        }
        changes.extend((!need.pays).then_some(Change::Waits));
        changes.extend(need.fast_swap.then_some(Change::SlowSwap { limit: AS_FAST }));
    }
    let closed: Vec<GateKind> =
        gates.iter().filter(|gate| !gate.open).map(|gate| gate.kind).collect();
    if !closed.is_empty() {
        changes.push(Change::Gates { closed });
    }
    if changes.is_empty() {
        changes.push(Change::Share { need: need.bytes, least: rules.least_step });
    }
    changes
}

fn receiving(rules: &Rules, vm: &Vm<'_>, outlook: &Outlook<'_>) -> WhatIf {
    let room = vm.ceiling().zip(vm.now.actual).map(|(most, actual)| most.saturating_sub(actual));
    let allowed = outlook.gates.iter().all(|gate| gate.open || gate.kind != GateKind::Allowed);
    let may = allowed && room.is_some_and(|room| whole_mib(room) > Bytes(0));
    match outlook.demand {
        Demand::Wants(wanted) => WhatIf::ReceivesIfFree { wanted: *wanted },
        Demand::Not(reason) if may => {
            WhatIf::ReceivesUnder { limit: rules.guest_tight, reason: reason.clone() }
        }
        Demand::Not(reason) => WhatIf::NeverReceives { reason: reason.clone() },
        Demand::Unknown(reason) => WhatIf::NeedUnknown { reason: reason.clone() },
    }
}

/// Of what was taken from it.
fn returning(rules: &Rules, vm: &Vm<'_>, host: &Host) -> Option<WhatIf> {
    let base = vm.memory.base?.min(vm.ceiling()?);
    let bytes = base.saturating_sub(vm.now.actual?);
    let waits = host.at_ease && host.quiet;
    (bytes > Bytes(0) && !waits).then_some(WhatIf::GetsBack { bytes, quiet: rules.quiet })
}
