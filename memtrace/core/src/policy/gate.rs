//! The gates between a VM and giving: all must be known to be open.

use super::decision::{Gate, OURS};
use super::floor::Floor;
use super::give;
use super::rules::{Rules, Safety};
use super::state::Level;
use super::vm::Vm;
use crate::policy::balloon_motion::{Motion, motion};
use crate::policy::tri_state::show;
use crate::sample::VmState as Running;
use crate::units::{Bytes, Nanos};

type Answer = Result<String, String>;

/// Gates in the order in which they are asked.
pub fn gates(
    rules: &Rules,
    level: Level,
    vm: &Vm<'_>,
    floor: Option<&Floor>,
    twin: bool,
) -> Vec<Gate> {
    let named: [(&str, Answer); 11] = [
        ("allowed", allowed(vm, twin)),
        ("running", running(vm)),
        ("balloon", balloon(vm)),
        ("unpinned", unpinned(vm)),
        ("booted", is_booted(rules, vm)),
        ("statistics", statistics(vm)),
        ("at ease", at_ease(rules, level, vm)),
        ("moving", moving(rules, vm)),
        (OURS, ours(vm)),
        ("cooled down", cooled(rules, vm)),
        ("room", room(rules, vm, floor)),
    ];
    named.into_iter().map(|(name, answer)| gate(name, answer)).collect()
}

pub fn gate(name: &str, answer: Answer) -> Gate {
    let open = answer.is_ok();
    let (Ok(because) | Err(because)) = answer;
    Gate { name: name.to_owned(), open, because }
}

pub fn allowed(vm: &Vm<'_>, twin: bool) -> Answer {
    if twin {
        return Err("another VM has the same identity".to_owned());
    }
    match (vm.rules.exclude, vm.rules.weight) {
        (true, _) => Err("it is excluded".to_owned()),
        (false, 0) => Err("its weight is 0".to_owned()),
        (false, weight) => Ok(format!("not excluded, weight {weight}")),
    }
}

pub fn running(vm: &Vm<'_>) -> Answer {
    match vm.now.state {
        Some(Running::Running) => Ok("it runs".to_owned()),
        Some(state) => Err(format!("it is {}", format!("{state:?}").to_lowercase())),
        None => Err("its state is not known".to_owned()),
    }
}

pub fn balloon(vm: &Vm<'_>) -> Answer {
    match (&vm.now.no_balloon, vm.now.actual, vm.now.maximum) {
        (Some(reason), _, _) => Err(reason.clone()),
        (None, Some(actual), Some(maximum)) if actual > maximum => {
            Err(format!("it has {}, more than its maximum of {}", show(actual), show(maximum)))
        }
        (None, Some(actual), Some(maximum)) => Ok(format!("{} of {}", show(actual), show(maximum))),
        _ => Err("its size is not known".to_owned()),
    }
}

fn unpinned(vm: &Vm<'_>) -> Answer {
    vm.now.pinned.clone().map_or_else(|| Ok("nothing pins its memory".to_owned()), Err)
}

pub fn is_booted(rules: &Rules, vm: &Vm<'_>) -> Answer {
    if !rules.has(Safety::Booted) {
        return Ok("not asked".to_owned());
    }
    let (Some(vcpus), Some(time)) = (vm.now.vcpus, vm.now.cpu_time) else {
        return Err("its CPU time or number of CPUs is not known".to_owned());
    };
    let needed = Nanos(rules.boot.0.saturating_mul(u64::from(vcpus.max(1))));
    let text =
        format!("{:.0} s of CPU time, booted from {:.0} s", time.seconds(), needed.seconds());
    if time >= needed { Ok(text) } else { Err(text) }
}

fn statistics(vm: &Vm<'_>) -> Answer {
    let word = vm.word.as_ref().map_err(Clone::clone)?;
    Ok(format!(
        "{} used of {}, {} available",
        show(word.used),
        show(word.size),
        show(word.available)
    ))
}

fn at_ease(rules: &Rules, level: Level, vm: &Vm<'_>) -> Answer {
    if !rules.has(Safety::Distress) {
        return Ok("not asked".to_owned());
    }
    match vm.hurts {
        Some(true) => return Err(format!("it suffers: {}", vm.symptoms.join(", "))),
        None if vm.symptoms.is_empty() => {
            return Err("whether it suffers is not known: no guest statistics".to_owned());
        }
        None => {
            let unknown = vm.symptoms.join(", ");
            return Err(format!("whether it suffers is not known: {unknown} unknown"));
        }
        Some(false) => {}
    }
    if vm.is_tight(rules) != Some(false) {
        return Err(format!("little is left: {}", vm.symptoms.join(", ")));
    }
    match vm.memory.hurt.map(|hurt| vm.at.saturating_sub(hurt)) {
        Some(since) if since < rules.recover => Err(format!(
            "it suffered {:.0} s ago, spared for {:.0} s",
            since.seconds(),
            rules.recover.seconds()
        )),
        _ => keeps(rules, level, vm),
    }
}

/// What was just given isn't taken back at once, or balloons go to and fro.
fn keeps(rules: &Rules, level: Level, vm: &Vm<'_>) -> Answer {
    let binding = level < Level::Low && rules.has(Safety::Keep);
    let pause = if binding { rules.keep } else { rules.recover };
    match vm.memory.given.map(|then| vm.at.saturating_sub(then)) {
        Some(since) if since < pause => Err(format!(
            "it got memory {:.0} s ago, and keeps it for {:.0} s",
            since.seconds(),
            pause.seconds()
        )),
        _ => Ok("it does not suffer".to_owned()),
    }
}

fn moving(rules: &Rules, vm: &Vm<'_>) -> Answer {
    match motion(rules, vm.memory, vm.at, vm.now.actual) {
        Motion::Still => Ok("nothing is under way".to_owned()),
        Motion::Moving(left) => Err(format!("it is moving, {} to go", show(left))),
        Motion::Stuck(since, left) => {
            let flagged = if since >= rules.flagged { ", uncooperative" } else { "" };
            Err(format!(
                "stuck{flagged}: no progress for {:.0} s, {} to go",
                since.seconds(),
                show(left)
            ))
        }
    }
}

pub fn ours(vm: &Vm<'_>) -> Answer {
    vm.memory.stood_down.map_or_else(
        || Ok("nobody else moved its balloon".to_owned()),
        |stood| {
            Err(format!(
                "somebody else moved its balloon from {} to {} {:.0} s ago: stood down",
                show(stood.from),
                show(stood.to),
                vm.at.saturating_sub(stood.at).seconds()
            ))
        },
    )
}

/// Whether it may be shrunk again, by the clock alone.
pub fn is_cool(rules: &Rules, shrunk: Option<Nanos>, at: Nanos) -> bool {
    let since = shrunk.map(|shrunk| at.saturating_sub(shrunk));
    !rules.has(Safety::CoolDown) || since.is_none_or(|since| since >= rules.cool_down)
}

fn cooled(rules: &Rules, vm: &Vm<'_>) -> Answer {
    let pause = rules.cool_down.seconds();
    let text = vm.memory.shrunk.map_or_else(
        || "never shrunk".to_owned(),
        |shrunk| {
            let since = vm.at.saturating_sub(shrunk).seconds();
            format!("shrunk {since:.1} s ago, cool-down {pause:.0} s")
        },
    );
    if is_cool(rules, vm.memory.shrunk, vm.at) { Ok(text) } else { Err(text) }
}

fn room(rules: &Rules, vm: &Vm<'_>, floor: Option<&Floor>) -> Answer {
    let (Some(floor), Some(actual)) = (floor, vm.now.actual) else {
        return Err("its floor is not known".to_owned());
    };
    let room = actual.saturating_sub(floor.bytes);
    if let Ok(word) = &vm.word
        && give::room(vm, floor).0 == 0
        && room.0 > 0
    {
        return Err(format!(
            "nothing comes of shrinking it: beside the {} that its guest uses the host keeps \
             nothing, but for up to {} of the VMM's own",
            show(word.used.saturating_add(word.touched)),
            show(vm.vmm())
        ));
    }
    let text = format!("{} over its {}", show(room), floor.because);
    if room >= rules.least_step.max(Bytes(1)) { Ok(text) } else { Err(text) }
}
