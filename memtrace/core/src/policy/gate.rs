//! The gates between a VM and giving: all must be known to be open.

use super::floor::{self, Floor};
use super::reason::{GateKind, Reason};
use super::rules::{Rules, Safety};
use super::state::Level;
use super::thought::Gate;
use super::vm::Vm;
use crate::policy::balloon_motion::{Motion, is_cool, motion};
use crate::sample::VmState as Running;
use crate::units::{Bytes, Nanos};

pub type GateAnswer = Result<Reason, Reason>;

/// Gates in the order in which they are asked.
pub fn gates(
    rules: &Rules,
    level: Level,
    vm: &Vm<'_>,
    floor: Option<&Floor>,
    duplicate: bool,
) -> Vec<Gate> {
    use GateKind::{
        Allowed, AtEase, Balloon, Booted, CooledDown, Moving, OursAlone, Room, Running, Statistics,
        Unpinned,
    };
    vec![
        gate(Allowed, allowed(vm, duplicate)),
        gate(Running, running(vm)),
        gate(Balloon, balloon(vm)),
        gate(Unpinned, unpinned(vm)),
        gate(Booted, is_booted(rules, vm)),
        gate(Statistics, statistics(vm)),
        gate(AtEase, at_ease(rules, level, vm)),
        gate(Moving, moving(rules, vm)),
        gate(OursAlone, ours(vm)),
        gate(CooledDown, cooled(rules, vm)),
        gate(Room, room(rules, vm, floor)),
    ]
}

pub fn gate(kind: GateKind, answer: GateAnswer) -> Gate {
    let open = answer.is_ok();
    let (Ok(reason) | Err(reason)) = answer;
    Gate { kind, open, reason }
}

pub fn allowed(vm: &Vm<'_>, duplicate: bool) -> GateAnswer {
    if duplicate {
        return Err(Reason::DuplicateId);
    }
    match (vm.rules.exclude, vm.rules.weight) {
        (true, _) => Err(Reason::Excluded),
        (false, 0) => Err(Reason::WeightZero),
        (false, weight) => Ok(Reason::Allowed { weight }),
    }
}

pub fn running(vm: &Vm<'_>) -> GateAnswer {
    match vm.now.state {
        Some(Running::Running) => Ok(Reason::Runs),
        Some(state) => Err(Reason::NotRunning { state }),
        None => Err(Reason::StateUnknown),
    }
}

pub fn balloon(vm: &Vm<'_>) -> GateAnswer {
    match (&vm.now.no_balloon, vm.now.actual, vm.now.maximum) {
        (Some(reason), _, _) => Err(reason.clone()),
        (None, Some(actual), Some(maximum)) if actual > maximum => {
            Err(Reason::AboveMaximum { actual, maximum })
        }
        (None, Some(actual), Some(maximum)) => Ok(Reason::Size { actual, maximum }),
        _ => Err(Reason::SizeUnknown),
    }
}

fn unpinned(vm: &Vm<'_>) -> GateAnswer {
    vm.now.pinned.clone().map_or(Ok(Reason::Unpinned), Err)
}

pub fn is_booted(rules: &Rules, vm: &Vm<'_>) -> GateAnswer {
    if !rules.has(Safety::Booted) {
        return Ok(Reason::NotAsked);
    }
    let time = vm.memory.since_boot(vm.now.cpu_time);
    let (Some(vcpus), Some(time)) = (vm.now.vcpus, time) else {
        return Err(Reason::CpuTimeUnknown);
    };
    let needed = Nanos(rules.boot.0.saturating_mul(u64::from(vcpus.max(1))));
    let reason = Reason::Booted { time, needed };
    if time >= needed { Ok(reason) } else { Err(reason) }
}

fn statistics(vm: &Vm<'_>) -> GateAnswer {
    let report = vm.report.as_ref().map_err(Clone::clone)?;
    if let Some(reason) = report.doubted() {
        return Err(reason);
    }
    Ok(Reason::Used { used: report.used, size: report.size, available: report.available })
}

fn at_ease(rules: &Rules, level: Level, vm: &Vm<'_>) -> GateAnswer {
    if !rules.has(Safety::Distress) {
        return Ok(Reason::NotAsked);
    }
    // Only distress within the guest counts here: on a host that swaps all its VMs none would give
    // otherwise, and giving unused memory helps the VM itself too.
    match vm.guest_in_distress {
        Some(true) => return Err(Reason::InDistress { symptoms: vm.symptoms.clone() }),
        None => return Err(Reason::DistressUnknown { unknown: vm.unknown.clone() }),
        Some(false) => {}
    }
    if vm.is_tight(rules) != Some(false) {
        return Err(Reason::LittleLeft { symptoms: vm.symptoms.clone() });
    }
    match vm.memory.hurt.map(|hurt| vm.at.saturating_sub(hurt)) {
        Some(since) if since < rules.recover => {
            Err(Reason::WasInDistress { since, pause: rules.recover })
        }
        _ => keeps(rules, level, vm),
    }
}

/// A VM that was just given memory is not shrunk at once, or balloons would oscillate.
fn keeps(rules: &Rules, level: Level, vm: &Vm<'_>) -> GateAnswer {
    let binding = level < Level::Low && rules.has(Safety::Keep);
    let pause = if binding { rules.keep } else { rules.recover };
    match vm.memory.given.map(|then| vm.at.saturating_sub(then)) {
        Some(since) if since < pause => Err(Reason::KeepsGift { since, pause }),
        _ => Ok(Reason::NoDistress),
    }
}

fn moving(rules: &Rules, vm: &Vm<'_>) -> GateAnswer {
    match motion(rules, vm.memory, vm.at, vm.now.actual) {
        Motion::Still => Ok(Reason::NothingInFlight),
        Motion::Moving(left) => Err(Reason::InFlight { left }),
        Motion::Stuck(since, left) => {
            Err(Reason::Stuck { since, left, flagged: since >= rules.flagged })
        }
    }
}

pub fn ours(vm: &Vm<'_>) -> GateAnswer {
    vm.memory.stood_down.map_or(Ok(Reason::OursAlone), |stood| {
        let since = vm.at.saturating_sub(stood.at);
        Err(Reason::MovedByOthers { from: stood.from, to: stood.to, since })
    })
}

fn cooled(rules: &Rules, vm: &Vm<'_>) -> GateAnswer {
    let reason = vm.memory.shrunk.map_or(Reason::NeverShrunk, |shrunk| Reason::Shrunk {
        since: vm.at.saturating_sub(shrunk),
        pause: rules.cool_down,
    });
    if is_cool(rules, vm.memory.shrunk, vm.at) { Ok(reason) } else { Err(reason) }
}

fn room(rules: &Rules, vm: &Vm<'_>, floor: Option<&Floor>) -> GateAnswer {
    let (Some(floor), Some(actual)) = (floor, vm.now.actual) else {
        return Err(Reason::FloorUnknown);
    };
    let room = actual.saturating_sub(floor.bytes);
    if let Ok(report) = &vm.report
        && floor::room(vm, floor).0 == 0
        && room.0 > 0
    {
        let used = report.used.saturating_add(report.touched);
        return Err(Reason::NothingToFree { used, vmm: vm.vmm() });
    }
    let reason = Reason::Room { room, floor: floor.terms };
    if room >= rules.least_step.max(Bytes(1)) { Ok(reason) } else { Err(reason) }
}
