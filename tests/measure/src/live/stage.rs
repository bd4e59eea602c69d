//! One run: starts the lab, waits until the guests have settled, lets the rule act, and returns the
//! totals.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use memtrace_core::sim::scenario::{Scenario, VmSpec};
use memtrace_host::taskstats::Taskstats;
use memtrace_lab::date::today;
use memtrace_lab::local::Lab;
use memtrace_lab::local::guest::Guest;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::trials::mitigator::{How, Mitigator};
use memtrace_lab::{interrupt, progress, wait};
use memtrace_lab_host::course::{self, Courses};
use memtrace_lab_host::decisions;
use memtrace_lab_host::roles::CONFIGURATION;
use memtrace_lab_host::series::{Host, OfOne};
use serde_json::Value;

use super::actor::Actor;
use super::outcome::{LiveRun, OfGuest, Second};
use super::plan;
use crate::relief::host::point::{self, Kernel};

/// Delay accounting, for the guests to be started.
const SETTINGS: [(&str, &str); 1] = [("/proc/sys/kernel/task_delayacct", "1")];
/// Until all guests have what they need at the beginning.
const SETTLED: Duration = Duration::from_secs(180);
const PATIENCE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// Who moves balloons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Rule {
    Nothing,
    /// memtrace decides and does nothing.
    Looks,
    Pi,
    Memtrace,
}

impl Rule {
    /// As the simulator calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Looks => "looks",
            Self::Pi => "pi",
            Self::Memtrace => "memtrace",
        }
    }
}

/// Runs a scenario under a rule, and undoes the lab. What goes wrong once it has begun is in the
/// run.
///
/// # Errors
/// When the lab or memtrace can't be had, or the user interrupts.
pub(crate) fn run(scenario: &Scenario, rule: Rule, memtrace: &Path) -> Result<LiveRun> {
    let (layout, specs) = plan::layout(scenario)?;
    let accounted = Path::new(SETTINGS[0].0).exists();
    let settings: &[_] = if accounted { &SETTINGS } else { &[] };
    let mut lab = Lab::up_as(layout, Manager::Plain, settings)?;
    let taskstats = if accounted { Taskstats::open().ok() } else { None };
    if !lab.slow_swap(plan::swap_speed(scenario))? {
        progress::say("swap is as fast as its disk: there is no blkio of version 1");
    }
    let kernel = Kernel { pressure: lab.tell_pressure()?, taskstats, disk: BTreeMap::new() };
    let run = LiveRun {
        scenario: scenario.name.clone(),
        rule: rule.name().to_owned(),
        date: Some(today()?),
        kernel: Some(release()),
        load_average: [load_average(), None],
        ..LiveRun::default()
    };
    let mut stage = Stage {
        lab: &mut lab,
        limit_mib: layout.limit_mib,
        kernel,
        mover: Mover::None,
        step: Value::Null,
        courses: Courses::new(),
        told: 0,
        run,
    };
    let done = stage.play((scenario, &specs), rule, memtrace);
    interrupt::check()?;
    let mut run = stage.run;
    if let Err(error) = done {
        run.failed = Some(format!("{error:#}"));
    }
    run.load_average[1] = load_average();
    lab.down()?;
    Ok(run)
}

enum Mover {
    None,
    Peer(Actor),
    Memtrace(Box<Mitigator>),
}

struct Stage<'a> {
    lab: &'a mut Lab,
    limit_mib: u32,
    kernel: Kernel,
    mover: Mover,
    /// memtrace's newest.
    step: Value,
    courses: Courses,
    told: u64,
    run: LiveRun,
}

/// Totals at one moment.
struct Totals {
    host: Host,
    guests: Vec<OfOne>,
}

impl Stage<'_> {
    fn play(
        &mut self,
        (scenario, specs): (&Scenario, &[VmSpec]),
        rule: Rule,
        memtrace: &Path,
    ) -> Result<()> {
        self.settle(specs, scenario.seconds)?;
        self.mover = self.mover(rule, memtrace)?;
        let before = self.totals()?;
        for guest in &mut self.lab.guests {
            guest.tell("go")?;
        }
        let begun = Instant::now();
        let played = self.follow(scenario.seconds, begun);
        self.run.seconds = begun.elapsed().as_secs_f64();
        if played.is_ok() {
            let after = self.totals()?;
            self.sum_up(&before, &after)?;
        }
        if let Mover::Memtrace(mitigator) = std::mem::replace(&mut self.mover, Mover::None) {
            self.run.messages = mitigator.end()?;
        }
        played
    }

    /// Tells all guests what to do, and waits until they have what they need at the beginning.
    fn settle(&mut self, specs: &[VmSpec], seconds: u64) -> Result<()> {
        for (guest, spec) in self.lab.guests.iter_mut().zip(specs) {
            for command in plan::commands(spec, seconds) {
                guest.tell(&command)?;
            }
            guest.tell("settle")?;
        }
        let deadline = Instant::now() + SETTLED;
        for guest in &mut self.lab.guests {
            let left = deadline.saturating_duration_since(Instant::now());
            settled(guest, left)?;
        }
        let totals = self.totals()?;
        let both = |guest: &OfOne| Some(guest.resident? + guest.swapped?);
        self.run.settled = totals.guests.iter().map(both).sum();
        Ok(())
    }

    fn mover(&mut self, rule: Rule, memtrace: &Path) -> Result<Mover> {
        let how = match rule {
            Rule::Nothing => return Ok(Mover::None),
            Rule::Pi => return Ok(Mover::Peer(Actor::new("pi")?)),
            Rule::Looks => How::Looks,
            Rule::Memtrace => How::Acts,
        };
        let configuration = configuration(self.lab)?;
        let folder = (self.lab.folder(), "live");
        let mut mitigator = Mitigator::start(memtrace, folder, &configuration, how)?;
        // Rates are known from the second step on.
        mitigator.step(PATIENCE)?;
        self.step = mitigator.step(PATIENCE)?;
        Ok(Mover::Memtrace(Box::new(mitigator)))
    }

    fn follow(&mut self, seconds: u64, begun: Instant) -> Result<()> {
        for second in 1..=seconds {
            let due = begun + SECOND * u32::try_from(second)?;
            wait::pass(due)?;
            self.act()?;
            let moment = self.moment(begun)?;
            if second.is_multiple_of(30) {
                let available = moment.available.unwrap_or(0.0);
                progress::say(&format!("{second} of {seconds} s, {available:.0} MiB available"));
            }
            self.run.moments.push(moment);
            self.run.decisions.extend(decisions::take_new(
                &self.step,
                &mut self.told,
                begun.elapsed().as_secs_f64(),
            ));
        }
        Ok(())
    }

    fn act(&mut self) -> Result<()> {
        match &mut self.mover {
            Mover::None => Ok(()),
            Mover::Peer(actor) => {
                let pool = self.kernel.pressure.as_ref().map(|pressure| pressure.pool.clone());
                actor.step(pool.as_deref(), &self.lab.guests)
            }
            Mover::Memtrace(mitigator) => {
                while let Some(step) = mitigator.waiting()? {
                    course::take(&mut self.courses, &step);
                    self.step = step;
                }
                Ok(())
            }
        }
    }

    fn totals(&mut self) -> Result<Totals> {
        let mut guests = Vec::new();
        for guest in &self.lab.guests {
            ensure!(guest.process.alive(), "{} has ended", guest.plan.name);
            guests.push(self.kernel.guest(guest, (&self.step, &self.courses), None));
        }
        Ok(Totals { host: self.kernel.pool(self.lab, self.limit_mib)?, guests })
    }

    fn moment(&mut self, begun: Instant) -> Result<Second> {
        let Totals { host, guests } = self.totals()?;
        let mut moments = Vec::new();
        for (told, guest) in guests.into_iter().zip(&self.lab.guests) {
            let size = match (&self.mover, told.size) {
                (Mover::Peer(_), _) => guest.size_mib().ok().map(|mib| mib as f64),
                (_, size) => size,
            };
            moments.push([size, told.resident, told.swapped, told.reclaiming]);
        }
        Ok(Second {
            at: begun.elapsed().as_secs_f64(),
            available: host.available,
            state: point::state(&self.step),
            guests: moments,
        })
    }

    fn sum_up(&mut self, before: &Totals, after: &Totals) -> Result<()> {
        let since = |pick: fn(&Host) -> Option<f64>| Some(pick(&after.host)? - pick(&before.host)?);
        self.run.swapped_in = since(|host| host.swapped_in);
        self.run.swapped_out = since(|host| host.swapped_out);
        self.run.pressure = since(|host| host.pressure);
        for (then, now) in before.guests.iter().zip(&after.guests) {
            let since = |pick: fn(&OfOne) -> Option<f64>| Some(pick(now)? - pick(then)?);
            let faults = now.major_faults.zip(then.major_faults);
            self.run.guests.push(OfGuest {
                name: now.name.clone(),
                waited: since(|guest| guest.reclaiming),
                refaulted: since(|guest| guest.refaulted),
                major_faults: faults.map(|(now, then)| now.saturating_sub(then)),
                ..OfGuest::default()
            });
        }
        for (guest, told) in self.lab.guests.iter_mut().zip(&mut self.run.guests) {
            told.hear(&guest.tell("report")?);
            let notes = guest.tell("notes")?;
            let notes = notes.strip_prefix("notes=").unwrap_or_default();
            for note in notes.split(';').filter(|note| !note.is_empty()) {
                self.run.notes.push((guest.plan.name.to_owned(), note.to_owned()));
            }
        }
        Ok(())
    }
}

/// Waits until a guest has what it needs at the beginning.
fn settled(guest: &mut Guest, patience: Duration) -> Result<()> {
    let name = guest.plan.name;
    let mut last = String::new();
    let ready = wait::answer(&format!("{name} to settle"), patience, || {
        last = guest.tell("report")?;
        ensure!(!last.starts_with("state=failed"), "{name} failed");
        Ok(last.starts_with("state=ready").then_some(()))
    });
    ready.with_context(|| {
        let notes = guest.tell("notes").unwrap_or_default();
        format!("{name} doesn't settle: {last}; {notes}")
    })
}

/// As of the relief scene, with the pool as the scope.
fn configuration(lab: &Lab) -> Result<String> {
    let parent = lab.parent().context("the lab has no cgroup")?;
    let pool = parent.strip_prefix(&lab.hierarchy.root)?.display();
    Ok(format!("{CONFIGURATION}\n[scope]\ncgroup = \"/{pool}\"\n"))
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
