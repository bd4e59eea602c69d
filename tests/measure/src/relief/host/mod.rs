//! The same on this machine itself, which level 2 shows of whole hosts: the lab's guests,
//! plain or libvirt's, share a memory cgroup with a limit, which is memtrace's scope.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use memtrace_host::taskstats::Taskstats;
use memtrace_lab::local::Lab;
use memtrace_lab::local::guest::Guest;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::trials::mitigator::{How, Mitigator};
use memtrace_lab::{interrupt, progress};
use memtrace_lab_host::course::{self, Courses};
use memtrace_lab_host::decisions;
use memtrace_lab_host::roles::{self, CONFIGURATION, WEB};
use memtrace_lab_host::series::Point;
use serde_json::Value;

use super::run::{Mode, Run};
use point::Kernel;
use scene::SCENE;

pub(crate) mod point;
mod scene;

/// Delay accounting, for the guests to be started.
const SETTINGS: [(&str, &str); 1] = [("/proc/sys/kernel/task_delayacct", "1")];
/// Until memtrace says something.
const PATIENCE: Duration = Duration::from_secs(30);
/// Until a guest has touched what it holds; it takes seconds.
const FILLED: Duration = Duration::from_secs(60);
/// How long a batch keeps its memory, and the pause until the next one begins.
const HELD: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_secs(8);
const DAY: Duration = Duration::from_secs(25);
/// What comes after the load; where memtrace only looks on, nothing happens any more.
const CALM: Duration = Duration::from_secs(5);
/// What was given back counts as promised for a minute (`PROMISE` of the policy).
const CALM_ENFORCED: Duration = Duration::from_secs(85);

/// Runs it from the guests' start to the calm after the load, and undoes the lab. What goes
/// wrong once memtrace runs is in the run.
///
/// # Errors
/// When the lab or memtrace can't be had, or the user interrupts.
pub fn run(memtrace: &Path, manager: Manager, mode: Mode) -> Result<Run> {
    let accounted = Path::new(SETTINGS[0].0).exists();
    let mut lab = Lab::up_as(SCENE, manager, if accounted { &SETTINGS } else { &[] })?;
    let taskstats = if accounted { Taskstats::open().ok() } else { None };
    if !lab.slow_swap(scene::SWAP_SPEED)? {
        progress::say("swap is as fast as its disk: there is no blkio of version 1");
    }
    let kernel = Kernel { pressure: lab.tell_pressure()?, taskstats, disk: BTreeMap::new() };
    let how = if mode == Mode::Enforce { How::Acts } else { How::Looks };
    let configuration = configuration(&lab)?;
    let folder = (lab.folder(), "relief");
    let memtrace = Mitigator::start(memtrace, folder, &configuration, how)?;
    let mut run = Run::new(mode);
    run.kernel = Some(release());
    let mut stage = Stage {
        lab: &mut lab,
        kernel,
        memtrace,
        step: Value::Null,
        courses: Courses::new(),
        run: &mut run,
        begun: Instant::now(),
        told: 0,
    };
    let done = stage.play();
    let ended = stage.memtrace.end();
    interrupt::check()?;
    match done.and(ended) {
        Ok(messages) => run.messages = messages,
        Err(error) => run.failed = Some(format!("{error:#}")),
    }
    run.complete = true;
    lab.down()?;
    Ok(run)
}

/// As on level 2, and the pool is the scope.
fn configuration(lab: &Lab) -> Result<String> {
    let parent = lab.parent().context("the lab has no cgroup")?;
    let pool = parent.strip_prefix(&lab.hierarchy.root)?.display();
    Ok(format!("{CONFIGURATION}\n[scope]\ncgroup = \"/{pool}\"\n"))
}

fn release() -> String {
    let name = rustix::system::uname();
    name.release().to_string_lossy().into_owned()
}

struct Stage<'a> {
    lab: &'a mut Lab,
    kernel: Kernel,
    memtrace: Mitigator,
    /// memtrace's newest.
    step: Value,
    courses: Courses,
    run: &'a mut Run,
    begun: Instant,
    /// Decisions below this number are in the run.
    told: u64,
}

impl Stage<'_> {
    fn play(&mut self) -> Result<()> {
        self.touch(WEB, roles::OWN, roles::OWN_MIB, "before")?;
        self.guest(WEB)?.tell(roles::REST)?;
        for batch in roles::DONORS {
            self.touch(batch, roles::BATCH, roles::BATCH_MIB, "night")?;
            self.watch("night", HELD)?;
            self.guest(batch)?.tell(roles::GIVE_UP)?;
            self.watch("night", BETWEEN)?;
        }
        self.guest(WEB)?.tell(roles::WORK)?;
        self.watch("day", DAY)?;
        self.guest(WEB)?.off()?;
        self.watch("calm", if self.run.mode == Mode::Enforce { CALM_ENFORCED } else { CALM })
    }

    fn guest(&mut self, name: &str) -> Result<&mut Guest> {
        let guest = self.lab.guests.iter_mut().find(|guest| guest.plan.name == name);
        guest.with_context(|| format!("no guest {name}"))
    }

    /// Has a guest touch this many MiB, and waits until it has.
    fn touch(&mut self, name: &str, command: &str, mib: f64, phase: &'static str) -> Result<()> {
        self.guest(name)?.tell(command)?;
        let deadline = Instant::now() + FILLED;
        loop {
            self.watch(phase, Duration::ZERO)?;
            let touched = point::touched(&self.guest(name)?.tell("status")?);
            if touched.is_some_and(|touched| touched >= mib) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{name} doesn't touch {mib} MiB");
        }
    }

    /// Notes a point with each step of memtrace for this long.
    fn watch(&mut self, phase: &'static str, time: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.next()?;
            let point = self.point(phase)?;
            if self.run.points.last().is_none_or(|last| last.phase != point.phase) {
                progress::say(&format!("{:.0} s: {phase}", point.at));
            }
            self.run.points.push(point);
            self.note_decisions();
            if begun.elapsed() >= time {
                return Ok(());
            }
        }
    }

    /// The next step, or the newest of those that have come since the last.
    fn next(&mut self) -> Result<()> {
        let mut step = Some(self.memtrace.step(PATIENCE)?);
        while let Some(newer) = step {
            course::take(&mut self.courses, &newer);
            self.step = newer;
            step = self.memtrace.waiting()?;
        }
        Ok(())
    }

    fn point(&mut self, phase: &'static str) -> Result<Point> {
        let mut guests = Vec::new();
        for guest in &mut self.lab.guests {
            let web = guest.plan.name == WEB;
            if web && phase == "calm" {
                continue;
            }
            ensure!(guest.process.alive(), "{} has ended", guest.plan.name);
            // Not needed of the others, and a question would wake them.
            let touched = if web { point::touched(&guest.tell("status")?) } else { None };
            guests.push(self.kernel.guest(guest, (&self.step, &self.courses), touched));
        }
        Ok(Point {
            at: self.begun.elapsed().as_secs_f64(),
            phase: phase.to_owned(),
            state: point::state(&self.step),
            host: self.kernel.pool(self.lab, SCENE.limit_mib)?,
            guests,
        })
    }

    /// Keeps the decisions that are new.
    fn note_decisions(&mut self) {
        let at = self.begun.elapsed().as_secs_f64();
        self.run.decisions.extend(decisions::take_new(&self.step, &mut self.told, at));
    }
}
