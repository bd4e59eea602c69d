//! The checks of a VM's balloon: whether it has one, and what that tells and gives back.

use serde_json::json;

use super::facts::{Balloon, Facts, Owner, Statistics, VmFacts};
use super::finding::Fix;
use super::words::{at_next_start, monitor, size, virsh};
use super::{Answer, Found, Severity, known};
use memtrace_core::units::Bytes;

/// The period that memtrace itself has guests asked with.
pub const PERIOD: u32 = 2;
/// Statistics are stale after so many periods, and so many seconds at least.
const STALE_PERIODS: u64 = 3;
const STALE_SECONDS: u64 = 10;
/// With a longer period decisions are about another time.
const LONG: u64 = 10;
/// Dead memory worth a warning: a share of the VM's size, and more than qemu itself takes.
const DEAD_SHARE: u64 = 8;
const DEAD_LEAST: Bytes = Bytes(256 << 20);

/// Whether somebody can be asked about the VM.
pub fn monitored(vm: &VmFacts, _: &Facts) -> Answer {
    let (severity, finding, commands) = match &vm.owner {
        Owner::Libvirt | Owner::Qmp(_) => return Ok(None),
        Owner::Nobody => (
            Severity::Warning,
            "its QEMU has no QMP socket".to_owned(),
            vec![at_next_start(vm, "", "-qmp unix:/run/NAME.qmp,server=on,wait=off")],
        ),
        Owner::Other(program) => (
            Severity::Note,
            format!("it runs in {program}; memtrace can ask QEMU and libvirt only"),
            Vec::new(),
        ),
    };
    Ok(Some(Found {
        severity,
        finding,
        consequence: "memtrace sees how it suffers and whom it costs, and can't move its balloon"
            .to_owned(),
        commands,
        fix: None,
    }))
}

/// Whether it has a balloon at all.
pub fn device(vm: &VmFacts, _: &Facts) -> Answer {
    if matches!(vm.owner, Owner::Other(_)) || known(&vm.balloon)?.is_some() {
        return Ok(None);
    }
    Ok(Some(Found {
        severity: Severity::Warning,
        finding: "none".to_owned(),
        consequence: "its memory can't be taken or given, and what the guest has free isn't known"
            .to_owned(),
        commands: vec![at_next_start(
            vm,
            "<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats \
             period='2'/></memballoon>",
            "-device virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=on",
        )],
        fix: None,
    }))
}

/// Whether the guest is asked for its statistics, and answers.
pub fn statistics(vm: &VmFacts, _: &Facts) -> Answer {
    let Some(balloon) = present(vm)? else { return Ok(None) };
    let statistics = known(&balloon.statistics)?;
    let period = statistics.period;
    let (severity, finding, consequence) = match statistics.age {
        _ if period == 0 => (
            Severity::Warning,
            "off".to_owned(),
            "what the guest has free isn't known, so that memtrace takes nothing from it",
        ),
        None => (
            Severity::Warning,
            format!("asked every {period} s, and never answered"),
            "the guest has no balloon driver, or hangs, or just boots: nothing is taken from it",
        ),
        Some(age) if !is_fresh(statistics) => (
            Severity::Warning,
            format!("stale: asked every {period} s, answered {age} s ago"),
            "the guest hangs, is paused, or lost its driver: nothing is taken from it until it \
             answers",
        ),
        Some(_) if period > LONG => (
            Severity::Note,
            format!("asked every {period} s"),
            "decisions go by what the guest was that long ago",
        ),
        Some(_) => return Ok(None),
    };
    let off = period == 0;
    let slow = period > LONG && severity == Severity::Note;
    Ok(Some(Found {
        severity,
        finding,
        consequence: consequence.to_owned(),
        commands: if off || slow { switching_on(vm, balloon) } else { Vec::new() },
        fix: off.then_some(Fix::SwitchStatisticsOn),
    }))
}

/// Whether the guest is asked, and answered not long ago.
fn is_fresh(statistics: &Statistics) -> bool {
    let limit = STALE_SECONDS.max(statistics.period.saturating_mul(STALE_PERIODS));
    statistics.period > 0 && statistics.age.is_some_and(|age| age <= limit)
}

/// The commands that have the guest asked.
fn switching_on(vm: &VmFacts, balloon: &Balloon) -> Vec<String> {
    match &vm.owner {
        Owner::Libvirt => vec![virsh(vm, "dommemstat", &format!("--period {PERIOD} --live"))],
        Owner::Qmp(socket) => {
            let request = json!({
                "execute": "qom-set",
                "arguments": {
                    "path": balloon.path,
                    "property": "guest-stats-polling-interval",
                    "value": PERIOD,
                },
            });
            vec![monitor(socket, &request.to_string())]
        }
        Owner::Nobody | Owner::Other(_) => Vec::new(),
    }
}

/// Whether what the guest frees goes back to the host.
pub fn reporting(vm: &VmFacts, _: &Facts) -> Answer {
    let Some(balloon) = present(vm)? else { return Ok(None) };
    if *known(&balloon.free_page_reporting)? {
        return Ok(None);
    }
    let dead = dead(vm, balloon);
    let much = dead
        .zip(vm.size.as_ref().ok())
        .is_some_and(|(dead, size)| dead >= DEAD_LEAST.max(Bytes(size.0 / DEAD_SHARE)));
    let told = dead.filter(|dead| dead.0 > 0);
    let told = told
        .map(|dead| format!("; some {} are dead, qemu's own among them", size(dead)))
        .unwrap_or_default();
    Ok(Some(Found {
        severity: if much { Severity::Warning } else { Severity::Note },
        finding: format!("off{told}"),
        consequence: "what the guest frees stays with it, in the host's memory or its swap, until \
                      a balloon takes it"
            .to_owned(),
        commands: vec![at_next_start(
            vm,
            "<memballoon model='virtio' freePageReporting='on'>",
            "-device virtio-balloon-pci,free-page-reporting=on",
        )],
        fix: None,
    }))
}

/// What the host keeps for the guest beyond what the guest uses, qemu's own memory included, as
/// the model has it. `None`: not known, or known of another time.
fn dead(vm: &VmFacts, balloon: &Balloon) -> Option<Bytes> {
    let memory = vm.memory.as_ref().ok()?;
    let statistics = balloon.statistics.as_ref().ok().filter(|statistics| is_fresh(statistics))?;
    let kept = memory.rss.saturating_add(memory.swap).saturating_add(memory.huge);
    Some(kept.saturating_sub(statistics.live?))
}

/// Whether a guest gets back what a balloon took before it kills one of its processes.
pub fn deflating(vm: &VmFacts, _: &Facts) -> Answer {
    let Some(balloon) = present(vm)? else { return Ok(None) };
    if *known(&balloon.deflate_on_oom)? {
        return Ok(None);
    }
    let taken = vm.size.as_ref().ok().zip(balloon.actual.as_ref().ok());
    let taken = taken.map(|(size, actual)| size.saturating_sub(*actual));
    let taken = taken.filter(|taken| taken.0 > 0);
    Ok(Some(Found {
        severity: if taken.is_some() { Severity::Warning } else { Severity::Note },
        finding: match taken {
            Some(taken) => format!("off, and the balloon holds {}", size(taken)),
            None => "off".to_owned(),
        },
        consequence: "a guest that runs out of memory kills a process of its own while the \
                      balloon holds what it lacks"
            .to_owned(),
        commands: vec![at_next_start(
            vm,
            "<memballoon model='virtio' autodeflate='on'>",
            "-device virtio-balloon-pci,deflate-on-oom=on",
        )],
        fix: None,
    }))
}

/// Its balloon. Of a VM that nobody can be asked about the device's own check tells.
fn present(vm: &VmFacts) -> Result<Option<&Balloon>, String> {
    match vm.owner {
        Owner::Other(_) => Ok(None),
        _ => known(&vm.balloon).map(Option::as_ref),
    }
}
