//! Does `memtrace mitigate --enforce` relieve? By night three guests work in their turn and
//! give up what they touched, which the host goes on keeping for them; a fourth has memory
//! that it needs by day. The host swaps what was not touched for longest, which is just
//! that. memtrace looks on (`observe`) or acts (`enforce`). What the kernel and memtrace
//! count is reported second by second; what it is worth is decided outside.

mod point;
mod scene;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use memtrace_lab_host::scenario::Plan;
use memtrace_lab_host::series::Point;
use memtrace_lab_host::{decisions, roles};

use crate::cgroup::Groups;
use crate::guest::Guest;
use crate::report::Report;
use crate::tracer::Tracer;
use crate::{cpu, prepare, run, setting, swap};
use scene::SCENE;

const ORDER: &str = "memtrace.relief=";
/// Its place among the guests.
const WEB: usize = 3;
const PLACE: &str = "/run/memtrace.toml";
/// Until a guest has touched what it holds.
const FILLED: Duration = Duration::from_secs(240);
/// How long a batch keeps its memory.
const HELD: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(60);
/// The phases after the load. If memtrace only observes, nothing happens in them.
const CALM: Duration = Duration::from_secs(5);
/// Promises expire a minute after they were not used; then memtrace continues to return memory.
const CALM_ENFORCED: Duration = Duration::from_secs(140);

/// What memtrace does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Observe,
    Enforce,
}

/// The mode, if the kernel's command line (`line`) asks for relief:
/// `memtrace.relief=observe` or `enforce`.
pub fn wanted(line: &str) -> Option<Mode> {
    match line.split_whitespace().find_map(|word| word.strip_prefix(ORDER))? {
        "observe" => Some(Mode::Observe),
        "enforce" => Some(Mode::Enforce),
        _ => None,
    }
}

/// Runs it from the guests' start to the calm after the load.
///
/// # Errors
/// When anything of it fails, or a guest ends.
pub fn run(mode: Mode, report: &mut Report, anchor: &mut Option<Guest>) -> Result<()> {
    prepare::load_modules()?;
    report.say("kernel", &prepare::kernel()?)?;
    prepare::account_delays()?;
    *anchor = Some(run::anchor()?);
    // What is declared first is undone last.
    let _swap = swap::On::new(SCENE.swap)?;
    let _groups = Groups::make(&SCENE)?;
    let _settings = setting::make(&SCENE)?;
    let mut guests = Vec::new();
    // One after the other: together, emulated twice over, one of them often dies.
    for (number, plan) in SCENE.guests.iter().enumerate() {
        let uuid = format!("6d656d74-7261-4365-8c65-6c000000000{number}");
        // Each on one CPU with all its threads: a balloon that inflates has qemu give pages up
        // one by one, and each time another CPU would have to interrupt the guest's. Emulated
        // twice over, guests and the host don't survive that for long.
        guests.push(cpu::on_one(number, || boot(plan, &uuid, report))?);
    }
    fs::write(PLACE, roles::CONFIGURATION).context("write the configuration")?;
    let mut arguments = vec!["mitigate", "--config", PLACE, "--state-dir", "/run/memtrace"];
    if mode == Mode::Enforce {
        arguments.push("--enforce");
    }
    let tracer = Tracer::start(&arguments)?;
    let mut stage = Stage { tracer, guests, report, begun: Instant::now(), told: 0 };
    let done = stage.play(mode);
    let errors = stage.tracer.errors();
    stage.report.say("messages", &errors)?;
    done
}

/// Starts a guest and waits until it has booted. Under nested emulation a guest occasionally hangs
/// or dies during boot; that is reported and retried once.
fn boot(plan: &'static Plan, uuid: &str, report: &mut Report) -> Result<Guest> {
    let start = || {
        let mut guest = Guest::start(plan, uuid)?;
        guest.ready()?;
        Ok::<_, anyhow::Error>(guest)
    };
    start().or_else(|error| {
        report.say("again", &format!("{error:#}"))?;
        start()
    })
}

struct Stage<'a> {
    tracer: Tracer,
    guests: Vec<Guest>,
    report: &'a mut Report,
    begun: Instant,
    /// Decisions below this number were reported.
    told: u64,
}

impl Stage<'_> {
    fn play(&mut self, mode: Mode) -> Result<()> {
        self.touch(WEB, roles::OWN, roles::OWN_MIB, "before")?;
        self.guest(WEB)?.tell(roles::REST)?;
        for batch in 0..WEB {
            self.touch(batch, roles::BATCH, roles::BATCH_MIB, "night")?;
            self.watch("night", HELD)?;
            self.guest(batch)?.tell(roles::GIVE_UP)?;
        }
        self.guest(WEB)?.tell(roles::WORK)?;
        self.watch("day", DAY)?;
        self.guest(WEB)?.off()?;
        self.watch("calm", if mode == Mode::Enforce { CALM_ENFORCED } else { CALM })
    }

    fn guest(&mut self, place: usize) -> Result<&mut Guest> {
        self.guests.get_mut(place).context("no such guest")
    }

    /// Has a guest touch this many MiB, and waits until it has.
    fn touch(&mut self, place: usize, command: &str, mib: f64, phase: &'static str) -> Result<()> {
        self.guest(place)?.tell(command)?;
        let deadline = Instant::now() + FILLED;
        loop {
            self.watch(phase, Duration::ZERO)?;
            let touched = point::touched(&self.guest(place)?.tell("status")?);
            if touched.is_some_and(|touched| touched >= mib) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "a guest doesn't touch {mib} MiB");
        }
    }

    /// Reports a point with each document of memtrace for this long.
    fn watch(&mut self, phase: &'static str, time: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.tracer.next(1)?;
            let point = self.point(phase)?;
            self.report.say("point", &point)?;
            self.tell_decisions()?;
            if begun.elapsed() >= time {
                return Ok(());
            }
        }
    }

    fn point(&mut self, phase: &'static str) -> Result<Point> {
        let mut guests = Vec::new();
        for guest in &mut self.guests {
            let web = guest.plan.name == roles::WEB;
            if web && phase == "calm" {
                continue;
            }
            guest.check()?;
            // Not needed of the others, and a question would wake them.
            let touched = if web { point::touched(&guest.tell("status")?) } else { None };
            guests.push(point::guest(guest, &mut self.tracer, touched)?);
        }
        let (state, host) = point::host(&mut self.tracer)?;
        let at = self.begun.elapsed().as_secs_f64();
        Ok(Point { at, phase: phase.to_owned(), state, host, guests })
    }

    /// Reports the decisions that are new.
    fn tell_decisions(&mut self) -> Result<()> {
        let at = self.begun.elapsed().as_secs_f64();
        for decision in decisions::take_new(self.tracer.newest()?, &mut self.told, at) {
            self.report.say("decision", &decision)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_stands_on_the_command_line() {
        assert_eq!(wanted("quiet memtrace.relief=observe psi=1"), Some(Mode::Observe));
        assert_eq!(wanted("memtrace.relief=enforce"), Some(Mode::Enforce));
        assert_eq!(wanted("memtrace.relief=perhaps"), None);
        assert_eq!(wanted("memtrace.scenarios=max"), None);
    }
}
