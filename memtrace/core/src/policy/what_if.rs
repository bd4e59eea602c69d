//! What would have to change for another decision.

use super::decision::{Action, Decision, Gate};
use super::host::Host;
use super::need::Need;
use super::receive::Wish;
use super::rules::Rules;
use super::state::Level;
use super::vm::Vm;
use crate::policy::tri_state::{show, whole_mib};
use crate::units::Bytes;

/// What a VM is decided by, as far as it got.
pub struct Outlook<'a> {
    pub host: &'a Host,
    pub need: &'a Need,
    pub gates: &'a [Gate],
    pub wish: &'a Wish,
    /// What is decided for it now.
    pub decisions: &'a [&'a Decision],
}

/// For what isn't decided now: what it would take. A decision has its own `unless`.
pub fn otherwise(rules: &Rules, vm: &Vm<'_>, outlook: &Outlook<'_>) -> Vec<String> {
    let decided = |grows: bool| {
        outlook.decisions.iter().any(|decision| match decision.action {
            Action::Balloon { from, to } => (to > from) == grows,
            Action::Reclaim { .. } => !grows,
        })
    };
    let mut lines = Vec::new();
    if !decided(false) {
        lines.push(giving(rules, outlook));
    }
    if !decided(true) {
        lines.push(receiving(rules, vm, outlook));
        lines.extend(returning(rules, vm, outlook.host));
    }
    lines
}

/// For the host to be in another state.
pub fn of_host(rules: &Rules, host: &Host) -> Vec<String> {
    let (left, next) = match host.level {
        Level::Calm => (None, Some(("soft", rules.soft))),
        Level::Soft => (Some(rules.soft), Some(("hard", rules.hard))),
        Level::Hard => (Some(rules.hard), Some(("low", rules.low))),
        Level::Low => (Some(rules.low), None),
    };
    let worse = next.map(|(name, limit)| format!("under {limit} % available it would be {name}"));
    let better = left.map(|limit| {
        format!(
            "from {} % available, and without pressure, it would be less than {}",
            limit + rules.leave,
            host.level.word()
        )
    });
    worse.into_iter().chain(better).collect()
}

fn giving(rules: &Rules, outlook: &Outlook<'_>) -> String {
    let Outlook { host, need, gates, .. } = outlook;
    let mut missing = Vec::new();
    if !rules.inflate {
        missing.push("inflating balloons were switched on".to_owned());
    }
    if host.quiet || need.bytes.0 == 0 {
        missing.push(format!(
            "the host had under {} % available, or were about to (now {:.1} %)",
            rules.soft, host.share
        ));
    }
    let closed: Vec<&str> =
        gates.iter().filter(|gate| !gate.open).map(|gate| gate.name.as_str()).collect();
    if !closed.is_empty() {
        missing.push(format!("its closed gates were open ({})", closed.join(", ")));
    }
    if missing.is_empty() {
        missing.push(format!(
            "its share of the {} needed were worth a command ({})",
            show(need.bytes),
            show(rules.least_step)
        ));
    }
    format!("it would give memory if {}", missing.join(", and "))
}

fn receiving(rules: &Rules, vm: &Vm<'_>, outlook: &Outlook<'_>) -> String {
    let room = vm.ceiling().zip(vm.now.actual).map(|(most, actual)| most.saturating_sub(actual));
    let allowed = outlook.gates.iter().all(|gate| gate.open || gate.name != "allowed");
    let may = allowed && room.is_some_and(|room| whole_mib(room) > Bytes(0));
    match outlook.wish {
        Wish::Wants(wanted) => format!(
            "it would get up to {} if more were free above what is kept and promised",
            show(*wanted)
        ),
        Wish::Not(reason) if may => format!(
            "it would get memory at once if its guest had under {} % available ({reason})",
            vm.needs_under(rules)
        ),
        Wish::Not(reason) => format!("it would get no memory whatever it wanted ({reason})"),
        Wish::Unknown(reason) => {
            format!("whether it needs memory would have to be known ({reason})")
        }
    }
}

/// Of what was taken from it.
fn returning(rules: &Rules, vm: &Vm<'_>, host: &Host) -> Option<String> {
    let base = vm.memory.base?.min(vm.ceiling()?);
    let taken = base.saturating_sub(vm.now.actual?);
    let waits = host.at_ease && host.quiet;
    (taken > Bytes(0) && !waits).then(|| {
        format!(
            "it would get back {} in steps once the host has been calm for {:.0} s without \
             pressure",
            show(taken),
            rules.quiet.seconds()
        )
    })
}
