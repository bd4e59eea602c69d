//! `cargo xtask relief KERNEL...`: whether `memtrace mitigate --enforce` relieves. On level 2
//! of the lab four KVM guests overcommit a host twice; each kernel is booted once with
//! memtrace looking on and once with it acting, and the guest that needs room is asked how
//! it fared. Nothing needs root.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::vm::{self, Console, Programs};
use crate::{interrupt, paths, progress};
use page::Pair;
use run::{Mode, Run};
use verdict::Verdict;

mod page;
mod plot;
mod run;
#[path = "../../host/src/relief/series.rs"]
mod series;
mod verdict;

/// What memtrace goes by in the runs.
const CONFIGURATION: &str = include_str!("../../host/src/relief/memtrace.toml");
/// No run may take longer. On a machine that others use it needs twice its time.
const LIMIT: Duration = Duration::from_secs(10 * 60);

#[derive(clap::Args)]
pub struct Arguments {
    /// Kernels such as 6.12
    #[arg(required = true)]
    kernels: Vec<String>,
    /// Write docs/relief.md and its picture from what comes out
    #[arg(long)]
    write: bool,
    /// Boot for this alone, and take the other run from the last time
    #[arg(long, value_name = "MODE", conflicts_with = "again")]
    only: Option<Mode>,
    /// Boot nothing: take both runs from the last time
    #[arg(long)]
    again: bool,
}

/// Runs them one after the other.
///
/// # Errors
/// When a run fails or the user interrupts.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    let programs = if arguments.again { None } else { Some(Programs::build()?) };
    let mut pairs = Vec::new();
    for kernel in &arguments.kernels {
        let once = |mode| match &programs {
            Some(programs) if arguments.only.is_none_or(|only| only == mode) => {
                twice(kernel, programs, mode)
            }
            _ => kept(kernel, mode),
        };
        let (observe, enforce) = (once(Mode::Observe)?, once(Mode::Enforce)?);
        let verdict = Verdict::of(&observe, &enforce);
        println!("\n## {}\n\n{verdict}", observe.kernel.as_deref().unwrap_or(kernel));
        pairs.push(Pair { observe, enforce, verdict });
    }
    if arguments.write {
        page::write(&pairs)?;
    }
    let good = pairs.iter().all(|pair| pair.verdict.problems.is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let (mut host, _folder) = vm::boot(kernel, programs, (Console::File, &order), LIMIT)?;
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
    let path = place(kernel, mode);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, serde_json::to_string(&run)?).context("keep the run")?;
    Ok(run)
}

fn kept(kernel: &str, mode: Mode) -> Result<Run> {
    let path = place(kernel, mode);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn place(kernel: &str, mode: Mode) -> PathBuf {
    paths::target().join("lab/relief").join(format!("{kernel}-{}.json", mode.word()))
}
