//! `demo --check`: the guests under pressure without a terminal, and memtrace's counters
//! held against the kernel's.
//!
//! Both sides are read while the guests' CPUs are stopped and nothing moves, so that the
//! numbers can be compared exactly.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memtrace_core::accuracy::table::Table;
use memtrace_host::taskstats::Taskstats;

use super::compare::{self, Name, Reading};
use super::document::Document;
use super::kernel;
use super::stream::Stream;
use crate::local::Lab;
use crate::local::plan::Manager;
use crate::{child, progress, wait};

/// How long the counters may take to stand still.
const SETTLE: Duration = Duration::from_secs(60);
/// How long memtrace may take for its first documents.
const FIRST: Duration = Duration::from_secs(30);
/// Delay accounting, for the guests to be started.
const SETTINGS: [(&str, &str); 1] = [("/proc/sys/kernel/task_delayacct", "1")];

/// Runs the lab for `seconds` of pressure and compares.
///
/// # Errors
/// When the lab or memtrace fails; rows that are wrong are no error but in the table.
pub fn run(memtrace: &Path, manager: Manager, seconds: u64) -> Result<Table> {
    let accounted = Path::new(SETTINGS[0].0).exists();
    let mut lab = Lab::up(manager, if accounted { &SETTINGS } else { &[] })?;
    let taskstats = if accounted { Some(Taskstats::open()?) } else { None };
    progress::say("attaching memtrace ...");
    let mut stream = Stream::start(memtrace)?;
    wait_for_guests(&lab, &mut stream)?;
    let from = quiet_moment(&lab, taskstats.as_ref(), &mut stream)?;
    progress::say(&format!("pressing for {seconds} s ..."));
    lab.work()?;
    let end = Instant::now() + Duration::from_secs(seconds);
    wait::pass(Instant::now() + Duration::from_secs(seconds / 2))?;
    frames(memtrace)?;
    wait::pass(end)?;
    let to = quiet_moment(&lab, taskstats.as_ref(), &mut stream)?;
    drop(stream);
    let names =
        lab.guests.iter().map(|guest| Name { name: guest.plan.name, uuid: guest.plan.uuid });
    let Ok(names) = <[Name<'_>; 3]>::try_from(names.collect::<Vec<_>>()) else {
        bail!("the lab has not three guests");
    };
    let table = compare::table(names, &from, &to)?;
    lab.down()?;
    Ok(table)
}

/// Waits until memtrace counts all three.
fn wait_for_guests(lab: &Lab, stream: &mut Stream) -> Result<()> {
    let deadline = Instant::now() + FIRST;
    loop {
        let document = stream.fresh(FIRST)?;
        let missing = lab.guests.iter().find(|guest| document.of(guest.plan.uuid).is_err());
        let Some(missing) = missing else { return Ok(()) };
        if Instant::now() > deadline {
            bail!("memtrace doesn't count guest {}", missing.plan.name);
        }
    }
}

/// Stops the guests, reads both sides when they stand still, and lets the guests go on.
fn quiet_moment(lab: &Lab, taskstats: Option<&Taskstats>, stream: &mut Stream) -> Result<Reading> {
    progress::say("stopping the guests to read both sides ...");
    for guest in &lab.guests {
        guest.pause()?;
    }
    let deadline = Instant::now() + SETTLE;
    let mut last: Option<(Document, kernel::KernelCounters)> = None;
    let moment = loop {
        let before = kernel::read(lab, taskstats)?;
        let memtrace = stream.fresh(FIRST)?;
        let now = kernel::read(lab, taskstats)?;
        if before == now && last.as_ref() == Some(&(memtrace.clone(), now.clone())) {
            break Reading { memtrace, kernel: now };
        }
        if Instant::now() > deadline {
            bail!("the counters don't stand still although the guests are stopped");
        }
        last = Some((memtrace, now));
    };
    for guest in &lab.guests {
        guest.resume()?;
    }
    Ok(moment)
}

/// What a person would see.
fn frames(memtrace: &Path) -> Result<()> {
    let mut command = Command::new(memtrace);
    command.args(["top", "--plain", "--count", "2", "--interval", "2"]).stdin(Stdio::null());
    let status = child::status(&mut command)?;
    if !status.success() {
        bail!("memtrace top --plain: {status}");
    }
    Ok(())
}
