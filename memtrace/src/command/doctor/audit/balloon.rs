//! Checks of a VM's balloon: presence, statistics, free page reporting, deflate on OOM.

use serde_json::json;

use super::facts::{Balloon, Facts, Owner, Statistics, VmFacts};
use super::finding::{Answer, Fix, Found, Severity, known};
use super::words::{at_next_start, half, kubectl, monitor, size, virsh, with_monitor};
use memtrace_core::format;
use memtrace_core::sample::Platform;
use memtrace_core::units::{Bytes, Nanos};
use memtrace_host::vmm::guest::is_too_slow;

/// The polling period that memtrace sets.
pub const PERIOD: u32 = 2;
/// Statistics are stale after this many periods, and at least this many seconds.
const STALE_PERIODS: u64 = 3;
const STALE_SECONDS: u64 = 10;
/// Unused memory worth a warning: a share of the VM's size, and more than qemu itself takes.
const DEAD_SHARE: u64 = 8;
const DEAD_LEAST: Bytes = Bytes(256 << 20);

/// Whether the VM has a monitor that memtrace can use.
pub fn monitored(vm: &VmFacts, _: &Facts) -> Answer {
    let (severity, finding, commands) = match &vm.owner {
        Owner::Qmp(_) if vm.system_container().is_some() && unanswered(vm).is_some() => {
            let why = unanswered(vm).unwrap_or_default();
            let finding = format!("its manager keeps the connection to its monitor: {why}");
            (Severity::Warning, finding, with_monitor(vm))
        }
        Owner::Libvirt | Owner::OtherLibvirt | Owner::Qmp(_) => return Ok(None),
        Owner::Unknown(reason) => return Err(reason.clone()),
        Owner::Elsewhere(reason) => (Severity::Note, reason.clone(), Vec::new()),
        Owner::None(reason) => (Severity::Warning, reason.clone(), with_monitor(vm)),
        Owner::Other(program) => (
            Severity::Note,
            format!("it runs in {program}; only QEMU and libvirt are supported"),
            Vec::new(),
        ),
    };
    Ok(Some(Found {
        severity,
        finding,
        consequence:
            "memtrace sees its stalls and the reclaim it causes, but can't set its balloon"
                .to_owned(),
        commands,
        fix: None,
    }))
}

/// Why its monitor didn't tell of its balloon. `None`: it did.
fn unanswered(vm: &VmFacts) -> Option<&str> {
    match &vm.balloon {
        Ok(balloon) => balloon.as_ref()?.actual.as_ref().err().map(String::as_str),
        Err(reason) => Some(reason),
    }
}

/// Whether it has a balloon at all.
pub fn device(vm: &VmFacts, _: &Facts) -> Answer {
    if matches!(vm.owner, Owner::Other(_)) || known(&vm.balloon)?.is_some() {
        return Ok(None);
    }
    Ok(Some(Found {
        severity: Severity::Warning,
        finding: "none".to_owned(),
        consequence: "its memory can't be ballooned, and the guest's free memory is unknown"
            .to_owned(),
        commands: attaching(vm),
        fix: None,
    }))
}

fn attaching(vm: &VmFacts) -> Vec<String> {
    if let Some(command) =
        kubectl(vm, "autoattachMemBalloon: true in spec.template.spec.domain.devices")
    {
        return vec![command];
    }
    at_next_start(
        vm,
        "<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats \
         period='2'/></memballoon>",
        &format!("-device {},deflate-on-oom=on,free-page-reporting=on", vm.balloon_driver.name()),
        &format!("--balloon {}", half(vm)),
    )
}

/// Whether guest statistics are polled and up to date.
pub fn statistics(vm: &VmFacts, _: &Facts) -> Answer {
    let Some(balloon) = present(vm)? else { return Ok(None) };
    let statistics = known(&balloon.statistics)?;
    let period = statistics.period;
    let (severity, finding, consequence) = match statistics.age {
        _ if period == 0 => (
            Severity::Warning,
            "off".to_owned(),
            "the guest's free memory is unknown, so memtrace takes nothing from it",
        ),
        Some(_) if statistics.empty => (
            Severity::Warning,
            "the balloon driver reports none".to_owned(),
            "nothing is taken from the guest; on Windows the balloon's service is missing: install \
             it in the guest with blnsvr.exe -i",
        ),
        None => (
            Severity::Warning,
            format!("polled every {period} s, no answer so far"),
            "the guest has no balloon driver, hangs, or is booting: nothing is taken from it",
        ),
        Some(age) if !is_fresh(statistics) => (
            Severity::Warning,
            format!("stale: polled every {period} s, last answer {} ago", ago(age)),
            "the guest hangs, is paused, or lost its driver: nothing is taken from it until it \
             answers",
        ),
        Some(_) if is_too_slow(period) => (
            Severity::Note,
            format!("polled every {period} s"),
            "nothing is taken from the guest by statistics older than 5 s (stale); a memtrace that \
             samples sets a shorter period where it may",
        ),
        Some(_) => return Ok(None),
    };
    let off = period == 0;
    let slow = is_too_slow(period) && severity == Severity::Note;
    Ok(Some(Found {
        severity,
        finding,
        consequence: consequence.to_owned(),
        commands: if off || slow { switching_on(vm, balloon) } else { Vec::new() },
        fix: (off || slow).then_some(Fix::SwitchStatisticsOn),
    }))
}

fn ago(seconds: u64) -> String {
    format::span(Nanos(seconds.saturating_mul(Nanos::SECOND.0)))
}

/// Whether statistics are polled and recent.
fn is_fresh(statistics: &Statistics) -> bool {
    let limit = STALE_SECONDS.max(statistics.period.saturating_mul(STALE_PERIODS));
    statistics.period > 0 && statistics.age.is_some_and(|age| age <= limit)
}

/// The commands that enable statistics polling.
fn switching_on(vm: &VmFacts, balloon: &Balloon) -> Vec<String> {
    match &vm.owner {
        Owner::Libvirt => {
            let rest = format!("--period {PERIOD} --live{}", of_nova(vm));
            vec![virsh(vm, "dommemstat", &rest)]
        }
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
        Owner::None(_)
        | Owner::OtherLibvirt
        | Owner::Elsewhere(_)
        | Owner::Unknown(_)
        | Owner::Other(_) => Vec::new(),
    }
}

/// nova gives each VM its own period when it starts it.
fn of_nova(vm: &VmFacts) -> String {
    if vm.labels.platform != Some(Platform::Nova) {
        return String::new();
    }
    format!("   # for good: mem_stats_period_seconds = {PERIOD} in [libvirt] of nova.conf")
}

/// Whether memory freed by the guest returns to the host.
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
        .map(|dead| format!("; about {} are unused, including qemu's own", size(dead)))
        .unwrap_or_default();
    Ok(Some(Found {
        severity: if much { Severity::Warning } else { Severity::Note },
        finding: format!("off{told}"),
        consequence:
            "memory freed by the guest stays allocated on the host (memory or swap) until \
                      a balloon takes it"
                .to_owned(),
        commands: at_next_start(
            vm,
            "<memballoon model='virtio' freePageReporting='on'>",
            &format!("-device {},free-page-reporting=on", balloon.driver.name()),
            "--args '-global virtio-balloon-pci.free-page-reporting=on'",
        ),
        fix: None,
    }))
}

/// Unused memory: held by the host beyond what the guest uses, including qemu's own memory. `None`:
/// unknown, or of another time.
fn dead(vm: &VmFacts, balloon: &Balloon) -> Option<Bytes> {
    let memory = vm.memory.as_ref().ok()?;
    let statistics = balloon.statistics.as_ref().ok().filter(|statistics| is_fresh(statistics))?;
    let kept = memory.rss.saturating_add(memory.swap).saturating_add(memory.huge);
    Some(kept.saturating_sub(statistics.live?))
}

/// Whether the balloon deflates before the guest's OOM killer kills a process.
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
            Some(taken) => format!("off, while the balloon holds {}", size(taken)),
            None => "off".to_owned(),
        },
        consequence: "a guest that runs out of memory kills one of its processes although the \
                      balloon holds memory"
            .to_owned(),
        commands: at_next_start(
            vm,
            "<memballoon model='virtio' autodeflate='on'>",
            &format!("-device {},deflate-on-oom=on", balloon.driver.name()),
            "--args '-global virtio-balloon-pci.deflate-on-oom=on'",
        ),
        fix: None,
    }))
}

/// Its balloon. For a VM without monitor see the check of the device.
fn present(vm: &VmFacts) -> Result<Option<&Balloon>, String> {
    match vm.owner {
        Owner::Other(_) => Ok(None),
        // Its balloon frees nothing.
        _ if vm.encrypted == Ok(true) => Ok(None),
        _ => known(&vm.balloon).map(Option::as_ref),
    }
}
