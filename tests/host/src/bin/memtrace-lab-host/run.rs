//! One scenario: guests are started, pressed and stopped; then everything is still, and
//! memtrace's totals and the kernel's counters are read at the same moment.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use memtrace_lab_host::course::Courses;
use memtrace_lab_host::scenario::{Memory, Plan, Scenario, Work};
use serde::Serialize;
use serde_json::Value;

use crate::cgroup::{self, Groups};
use crate::counters::{self, Counters, OfGuest, OfHost};
use crate::guest::{Guest, Lost};
use crate::timing::{Timed, Timing};
use crate::tracer::Tracer;
use crate::{cpu, press, setting, swap, wait};

/// Time without any change after which all counters count as settled: longer than the two seconds
/// after which memory.stat includes what CPUs held back, up to 64 events each (FLUSH_TIME and
/// `memcg_vmstats_needs_flush` in mm/memcontrol.c).
const STILL: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);

/// A stopped guest that runs throughout. When the first VM starts and the last one ends the kernel
/// patches a jump in its scheduler (`preempt_notifier_key` in kernel/sched/core.c), which
/// occasionally crashes an emulated CPU that executes it.
const ANCHOR: Plan = Plan {
    name: "anchor",
    memory: Memory::Private,
    mib: 16,
    work: Work::Halt,
    emulated: false,
    cgroup: None,
};

/// Starts the guest that is there all the time.
///
/// # Errors
/// When qemu can't run.
pub fn anchor() -> Result<Guest> {
    let guest = Guest::start(&ANCHOR, "6d656d74-7261-4365-8c62-62ffffffffff")?;
    guest.qemu.stop()?;
    Ok(guest)
}

/// The outcome of a scenario.
#[derive(Serialize)]
pub struct ScenarioOutcome {
    pub name: &'static str,
    pub seconds: f64,
    /// Why it can't be had on this kernel.
    pub skipped: Option<String>,
    pub failed: Option<String>,
    /// Whether the guests were up when it failed, and did what they were made for.
    pub booted: bool,
    pub comparison: Option<Comparison>,
}

/// memtrace and the kernel at one moment, and at the beginning.
#[derive(Serialize)]
pub struct Comparison {
    before: Reading,
    after: Reading,
    guests: Vec<Counted>,
    courses: Courses,
    timed: Option<Timed>,
    /// Nothing moved between two readings of the kernel's counters around memtrace's.
    still: bool,
    /// memtrace's own /proc/PID/status and stat.
    tracer: Counters,
}

#[derive(Serialize)]
struct Reading {
    memtrace: Value,
    host: OfHost,
}

#[derive(Serialize)]
struct Counted {
    name: &'static str,
    pid: u32,
    /// It is the only process in its cgroup.
    alone: bool,
    /// That is the root cgroup.
    rooted: bool,
    shared: bool,
    huge: bool,
    emulated: bool,
    busy: bool,
    /// `None`: it was killed.
    kernel: Option<OfGuest>,
    /// memory.events of its cgroup.
    events: Counters,
}

/// Runs it; a failure is part of the outcome.
pub fn run(
    scenario: &'static Scenario,
    number: usize,
    tracer: &mut Tracer,
    timing: Option<&Timing>,
) -> ScenarioOutcome {
    let begun = Instant::now();
    let mut outcome = ScenarioOutcome {
        name: scenario.name,
        seconds: 0.0,
        skipped: None,
        failed: None,
        booted: false,
        comparison: None,
    };
    let obstacle = swap::obstacle(scenario.swap).or_else(|| setting::obstacle(scenario));
    if let Some(reason) = obstacle {
        outcome.skipped = Some(reason.to_owned());
    } else {
        // Under nested emulation a guest occasionally hangs during boot or leaves its code; it is
        // retried once.
        for _ in 0..2 {
            match attempt(scenario, number, (tracer, timing), &mut outcome.booted) {
                Ok(comparison) => {
                    outcome.comparison = Some(comparison);
                    outcome.failed = None;
                }
                Err(error) => {
                    outcome.booted &= error.downcast_ref::<Lost>().is_none();
                    outcome.failed = Some(format!("{error:#}"));
                }
            }
            if outcome.booted {
                break;
            }
        }
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome
}

fn attempt(
    scenario: &'static Scenario,
    number: usize,
    (tracer, timing): (&mut Tracer, Option<&Timing>),
    booted: &mut bool,
) -> Result<Comparison> {
    // What is declared first is undone last.
    let _swap = swap::On::new(scenario.swap)?;
    let _groups = Groups::make(scenario)?;
    let _settings = setting::make(scenario)?;
    let timing = timing.filter(|_| scenario.timed);
    timing.map_or(Ok(()), Timing::begin)?;
    let before = begin(tracer)?;
    let mut guests = Vec::new();
    for (place, plan) in scenario.guests.iter().enumerate() {
        let uuid = format!("6d656d74-7261-4365-8c62-62{number:06}{place:04}");
        guests.push(Guest::start(plan, &uuid)?);
    }
    be_known(tracer, guests.len())?;
    for guest in &guests {
        guest.qemu.go_on()?;
    }
    for guest in &mut guests {
        guest.ready()?;
    }
    *booted = true;
    for guest in &mut guests {
        guest.work()?;
    }
    press::press(scenario, &mut guests)?;
    let _still = setting::no_huge_pages()?;
    for guest in &mut guests {
        if !guest.qemu.ended()? {
            guest.qemu.stop()?;
        }
    }
    be_still(&mut guests)?;
    compare(tracer, before, &mut guests, timing)
}

/// The moment before: no VM of an earlier scenario is left but the one that always is.
fn begin(tracer: &mut Tracer) -> Result<Reading> {
    wait::until("memtrace to see one VM alone", PATIENCE, || {
        let vms = tracer.newest()?.get("vms").and_then(Value::as_array);
        Ok(vms.is_some_and(|vms| vms.len() == 1).then_some(()))
    })?;
    let memtrace = tracer.next(1)?.clone();
    tracer.begin()?;
    Ok(Reading { memtrace, host: counters::of_host()? })
}

/// Waits until memtrace has a first interval of each guest. What the kernel counts in its files
/// before that belongs to no interval, and memtrace says so; a guest on a fast machine presses
/// within its first second.
fn be_known(tracer: &mut Tracer, guests: usize) -> Result<()> {
    wait::until("memtrace to see the guests", PATIENCE, || {
        let vms = tracer.newest()?.get("vms").and_then(Value::as_array);
        Ok(vms.is_some_and(|vms| vms.len() > guests).then_some(()))
    })?;
    tracer.next(1).map(drop)
}

fn be_still(guests: &mut [Guest]) -> Result<()> {
    let mut last = (read(guests)?, Instant::now());
    wait::until("the guests to be still", PATIENCE, || {
        cpu::wake_all()?;
        let now = read(guests)?;
        if !moved(&last.0, &now) {
            return Ok((last.1.elapsed() >= STILL).then_some(()));
        }
        last = (now, Instant::now());
        Ok(None)
    })
}

/// Reads memtrace between two readings of the kernel, until those agree.
fn compare(
    tracer: &mut Tracer,
    before: Reading,
    guests: &mut [Guest],
    timing: Option<&Timing>,
) -> Result<Comparison> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let first = read(guests)?;
        // The next document may have been begun before this moment; the one after wasn't.
        let memtrace = tracer.next(2)?.clone();
        let second = read(guests)?;
        let still = !moved(&first, &second);
        if still || Instant::now() > deadline {
            return Ok(Comparison {
                before,
                after: Reading { memtrace, host: counters::of_host()? },
                guests: second,
                courses: tracer.courses().clone(),
                timed: timing.map(Timing::end).transpose()?,
                still,
                tracer: counters::of_process(tracer.pid())?,
            });
        }
    }
}

fn read(guests: &mut [Guest]) -> Result<Vec<Counted>> {
    let groups: Vec<_> = guests.iter().map(|guest| guest.plan.cgroup).collect();
    let count = |guest: &mut Guest| {
        let Plan { name, memory, emulated, work, cgroup, .. } = *guest.plan;
        let pid = guest.qemu.pid();
        let kernel = match guest.qemu.ended()? {
            true => None,
            false => Some(counters::of_guest(guest.plan, pid).context("read its counters")?),
        };
        let events = std::fs::read_to_string(cgroup::of(cgroup).join("memory.events"));
        Ok(Counted {
            name,
            pid,
            alone: cgroup.is_some() && groups.iter().filter(|group| **group == cgroup).count() == 1,
            rooted: cgroup.is_none(),
            shared: memory == Memory::Shared,
            huge: memory == Memory::Huge,
            emulated,
            busy: !matches!(work, Work::Halt | Work::Linux("idle")),
            kernel,
            events: counters::pairs(&events.unwrap_or_default()),
        })
    };
    guests.iter_mut().map(count).collect()
}

/// Whether swap, faults or waits moved.
fn moved(before: &[Counted], after: &[Counted]) -> bool {
    let key = |counted: &Counted| {
        counted.kernel.as_ref().map(|OfGuest { process, stat, waits, .. }| {
            let of = |counters: &Counters, name: &str| counters.get(name).copied();
            (of(process, "VmSwap"), counters::LATE.map(|name| of(stat, name)), of(waits, "count"))
        })
    };
    before.iter().map(key).ne(after.iter().map(key))
}
