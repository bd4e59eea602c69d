//! `cargo xtask relief PLACE...`: whether `memtrace mitigate --enforce` relieves. On level 2
//! of the lab four KVM guests overcommit a host twice; each kernel is booted once with
//! memtrace looking on and once with it acting, and the guest that needs room is asked how
//! it fared. Nothing needs root. On level 1 (`host`, `libvirt`), which does, four guests of
//! this machine overcommit a memory cgroup.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_lab::binary::{self, Profile};
use memtrace_lab::date::today;
use memtrace_lab::local::obstacle;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::vm::{self, Console, Programs, Wiring};
use memtrace_lab::{interrupt, paths, progress};

use page::Pair;
use place::Place;
use run::{Mode, Run};
use verdict::Verdict;

pub(crate) mod host;
mod page;
mod place;
mod plot;
mod run;
mod scenes;
mod verdict;

/// No run may take longer. On a machine that others use it needs twice its time.
const LIMIT: Duration = Duration::from_secs(10 * 60);

#[derive(clap::Args)]
pub struct Arguments {
    /// Kernels such as 6.12; `host`: qemu guests in a cgroup of this machine; `libvirt`:
    /// libvirt domains there; `turns`, `turns-asking`, `cache`: other scenes with such guests
    #[arg(required = true, value_name = "PLACE", value_parser = Place::parse)]
    places: Vec<Place>,
    /// Write docs/relief.md and its pictures from what comes out, of scenes docs/relief-scenes.md
    #[arg(long)]
    write: bool,
    /// Run this alone, and take the other run from the last time
    #[arg(long, value_name = "MODE", conflicts_with = "again")]
    only: Option<Mode>,
    /// Run nothing: take both runs from the last time
    #[arg(long)]
    again: bool,
}

impl Arguments {
    fn runs(&self, mode: Mode) -> bool {
        !self.again && self.only.is_none_or(|only| only == mode)
    }
}

/// Runs them one after the other.
///
/// # Errors
/// When a run fails or the user interrupts.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    let mut pairs = Vec::new();
    let mut scenes = Vec::new();
    for place in &arguments.places {
        if let Place::Scene(name) = place {
            let scene = scene(name, arguments)?;
            println!("\n## {name}\n\n{scene}");
            scenes.push((*name, scene));
            continue;
        }
        let pair = pair(place, arguments)?;
        println!("\n## {}\n\n{}", place.title(&pair.observe), pair.verdict);
        pairs.push(pair);
    }
    if arguments.write && !pairs.is_empty() {
        page::write(&pairs)?;
    }
    if arguments.write && !scenes.is_empty() {
        scenes::write(&scenes)?;
    }
    let good = scenes.iter().all(|(_, scene)| scene.problems().is_empty());
    let good = good && pairs.iter().all(|pair| pair.verdict.problems.is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn scene(name: &str, arguments: &Arguments) -> Result<scenes::Pair> {
    let memtrace = if arguments.again { None } else { Some(ready(Manager::Plain)?) };
    scenes::pair(name, memtrace.as_deref(), |mode| arguments.runs(mode))
}

fn pair(place: &Place, arguments: &Arguments) -> Result<Pair> {
    let runs = |mode| arguments.runs(mode);
    let (observe, enforce) = match place {
        Place::Kernel(kernel) => {
            let programs = if arguments.again {
                None
            } else {
                Some(Programs::build(vm::Architecture::Amd64)?)
            };
            let once = |mode| match &programs {
                Some(programs) if runs(mode) => twice(kernel, programs, mode),
                _ => kept(place, mode),
            };
            (once(Mode::Observe)?, once(Mode::Enforce)?)
        }
        Place::Host(manager) => {
            let memtrace = if arguments.again { None } else { Some(ready(*manager)?) };
            let once = |mode| match &memtrace {
                Some(memtrace) if runs(mode) => {
                    progress::say(&format!("{}, {}", place.name(), mode.word()));
                    host::run(memtrace, *manager, mode).and_then(|run| keep(place, run))
                }
                _ => kept(place, mode),
            };
            (once(Mode::Observe)?, once(Mode::Enforce)?)
        }
        Place::Scene(name) => bail!("{name} is compared by its own measures"),
    };
    let verdict = Verdict::of(place.level(), &observe, &enforce);
    Ok(Pair { place: place.clone(), observe, enforce, verdict })
}

/// memtrace, built, where this machine lets it and the lab's guests run.
fn ready(manager: Manager) -> Result<PathBuf> {
    let missing = setup::run(Scope::Lab)?;
    ensure!(missing.is_empty(), "the lab can't run without what is missing");
    if let Some(reason) = obstacle::to_lab(manager) {
        bail!(reason);
    }
    let memtrace = binary::build(Profile::Release)?;
    if let Some(reason) = obstacle::to_memtrace(&memtrace)? {
        bail!(reason);
    }
    Ok(memtrace)
}

/// Once more where the host or a guest died of being emulated, as they do at times.
fn twice(kernel: &str, programs: &Programs, mode: Mode) -> Result<Run> {
    match once(kernel, programs, mode) {
        Ok(run) if !run.is_the_machines_fault() => Ok(run),
        first => {
            interrupt::check()?;
            let why = match first {
                Ok(run) => run.failed.unwrap_or_default(),
                Err(error) => format!("{error:#}"),
            };
            progress::say(&format!("{kernel}, {}: once more, because {why}", mode.word()));
            once(kernel, programs, mode)
        }
    }
}

/// Boots the kernel for one run, and keeps what it told.
fn once(kernel: &str, programs: &Programs, mode: Mode) -> Result<Run> {
    let name = format!("{kernel}, {}", mode.word());
    progress::say(&format!("{name}: booting"));
    let begun = Instant::now();
    let order = format!("memtrace.relief={}", mode.word());
    let architecture = vm::Architecture::Amd64;
    let console = Console::File;
    let wiring = Wiring { architecture, console, order: &order, disk: None, cpus: vm::CPUS };
    let (mut host, _folder) = vm::boot(kernel, programs, wiring, LIMIT)?;
    let mut run = Run::new(mode);
    while let Some(line) = host.next_line()? {
        if let Some(told) = run.take(&line) {
            progress::say(&format!("{name}: {told}"));
        }
    }
    if !run.complete {
        bail!("{name}: the host ended early; its console ends with\n{}", host.tail("console"));
    }
    progress::say(&format!("{name}: {:.0} s", begun.elapsed().as_secs_f64()));
    keep(&Place::Kernel(kernel.to_owned()), run)
}

/// Keeps the run for the next time, with its date.
fn keep(place: &Place, mut run: Run) -> Result<Run> {
    run.date = Some(today()?);
    let path = file(place, run.mode);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, serde_json::to_string(&run)?).context("keep the run")?;
    Ok(run)
}

fn kept(place: &Place, mode: Mode) -> Result<Run> {
    let path = file(place, mode);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn file(place: &Place, mode: Mode) -> PathBuf {
    paths::target().join("lab/relief").join(format!("{}-{}.json", place.name(), mode.word()))
}
