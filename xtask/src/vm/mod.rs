//! `cargo xtask vm KERNEL...`: level 2 of the lab. Each kernel is booted in a VM of its
//! own, with real KVM guests inside (qemu emulates SVM and nested paging, unless the
//! machine's own KVM nests), and memtrace's own binary is tried there against the kernel's
//! counters, in one scenario after the other. Nothing needs root.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use memtrace_lab_host::scenario;

use crate::date::today;
use crate::setup::kernel::Kernel;
use crate::{interrupt, paths, progress};

mod accelerator;
mod apt;
mod attribution;
mod boot;
mod compare;
mod comparison;
mod initramfs;
mod kept;
mod kernels;
mod libraries;
mod modules;
mod programs;
#[path = "../../../memtrace/core/src/model/quantile.rs"]
mod quantile;
mod report;

pub use apt::Suite;
pub use boot::{Console, Host};
pub use programs::{Programs, find_qemu};
pub use report::{Outcome, sentence};

/// No kernel's boot may take longer. On a machine that others use it needs twice its time.
const LIMIT: Duration = Duration::from_secs(18 * 60);
/// One that takes longer than this is told of.
const SLOW: Duration = Duration::from_secs(6 * 60);

#[derive(clap::Args)]
#[command(after_help = scenarios())]
pub struct Arguments {
    /// Kernels such as 6.12, or `newest`
    #[arg(required_unless_present_any = ["all", "write"])]
    kernels: Vec<String>,
    /// Every kernel of the matrix
    #[arg(long)]
    all: bool,
    /// Only this scenario, of those below; may be given several times
    #[arg(long = "test", value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    tests: Vec<String>,
    /// Keep each run's files (console, report, initramfs) and say where
    #[arg(long)]
    keep: bool,
    /// Write docs/attribution.md from what comes out, and what was kept of other kernels' runs;
    /// without kernels of those alone
    #[arg(long)]
    write: bool,
}

/// The scenarios' names, the self-test's last.
pub fn names() -> Vec<&'static str> {
    let names = scenario::ALL.iter().map(|scenario| scenario.name);
    names.chain([scenario::SELFTEST]).collect()
}

fn scenarios() -> String {
    let lines = scenario::ALL.iter().map(|scenario| (scenario.name, scenario.about));
    let lines = lines.chain([(scenario::SELFTEST, "memtrace's own self-test")]);
    let lines: String = lines.map(|(name, about)| format!("  {name:<10} {about}\n")).collect();
    format!("Scenarios:\n{lines}")
}

/// Runs them one after the other.
///
/// # Errors
/// When the set-up fails or the user interrupts; a kernel that fails is told of and
/// makes the exit code.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    ensure!(!arguments.write || arguments.tests.is_empty(), "--write wants all scenarios");
    let wanted: Vec<&str> = match arguments.all {
        true => kernels::MATRIX.to_vec(),
        false => arguments.kernels.iter().map(String::as_str).collect(),
    };
    if wanted.is_empty() {
        write_page()?;
        return Ok(ExitCode::SUCCESS);
    }
    let tests: Vec<&str> = match arguments.tests.is_empty() {
        true => names(),
        false => arguments.tests.iter().map(String::as_str).collect(),
    };
    let programs = Programs::build()?;
    let mut code = ExitCode::SUCCESS;
    for name in wanted {
        match kernel(name, &programs, &tests, arguments.keep) {
            Ok(outcome) => {
                println!("{outcome}");
                if !outcome.good() {
                    code = ExitCode::FAILURE;
                }
                // After each: the next may take long, or be interrupted.
                if arguments.write && outcome.complete() {
                    keep(name, &outcome)?;
                    write_page()?;
                }
            }
            Err(error) => {
                interrupt::check()?;
                println!("kernel {name}: failed: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Keeps what all scenarios gave on a kernel of the matrix, for docs/attribution.md.
///
/// # Errors
/// When it can't be written.
pub fn keep(name: &str, outcome: &Outcome) -> Result<()> {
    kept::keep(&kept::folder(), name, &today()?, outcome)
}

fn write_page() -> Result<()> {
    attribution::write(&kept::all(&kept::folder(), kernels::MATRIX)?)
}

/// Fetches a kernel unless it is kept.
///
/// # Errors
/// When it can't be had.
pub fn fetch(name: &str) -> Result<()> {
    kernels::get(name).map(drop)
}

/// Runs scenarios on a kernel. What did not come about because the host died or a guest
/// did not boot (emulated twice over, they do at times) is tried once more, and told;
/// whatever comes after booting counts the first time.
///
/// # Errors
/// When there is no such kernel, or a host can't be made of it.
pub fn kernel(name: &str, programs: &Programs, tests: &[&str], keep: bool) -> Result<Outcome> {
    let kernel = kernels::get(name)?;
    progress::say(&format!("kernel {name}: {}", kernel.image.display()));
    let initramfs = programs::pack(&kernel, programs)?;
    let started = Instant::now();
    let attempt = |tests: &[&str]| try_kernel(name, &kernel, &initramfs, tests, keep);
    let mut outcome = attempt(tests)?;
    let open = outcome.open(tests);
    if !open.is_empty() {
        let why = outcome.failed.as_deref().unwrap_or("a guest didn't boot, or got lost");
        progress::say(&format!("{name}: once more for {}, because {why}", open.join(", ")));
        outcome.merge(attempt(&open)?);
    }
    let elapsed = started.elapsed();
    let slow = if elapsed > SLOW { ", longer than it should" } else { "" };
    progress::say(&format!("kernel {name}: {:.0} s{slow}", elapsed.as_secs_f64()));
    Ok(outcome)
}

fn try_kernel(
    name: &str,
    kernel: &Kernel,
    initramfs: &[u8],
    tests: &[&str],
    keep: bool,
) -> Result<Outcome> {
    let mut folder = run_folder(name)?;
    folder.disable_cleanup(keep);
    if keep {
        progress::say(&format!("kept: {}", folder.path().display()));
    }
    let order = format!("memtrace.scenarios={}", tests.join(","));
    let deadline = Instant::now() + LIMIT;
    let mut host = Host::boot(kernel, initramfs, folder.path(), (Console::File, &order), deadline)?;
    let mut outcome = Outcome::default();
    if let Err(error) = hear(name, &mut host, &mut outcome) {
        interrupt::check()?;
        outcome.failed = Some(format!("{error:#}"));
    }
    Ok(outcome)
}

fn hear(name: &str, host: &mut Host, outcome: &mut Outcome) -> Result<()> {
    while let Some(line) = host.next_line()? {
        if let Some(step) = outcome.take(&line) {
            progress::say(&format!("{name}: {step}"));
        }
    }
    if !outcome.complete() {
        bail!("the host ended early; its console ends with\n{}", host.tail("console"));
    }
    Ok(())
}

/// Boots a host whose PID 1 gets another order than scenarios. The files of its run are in
/// a folder that goes when the second part is dropped.
///
/// # Errors
/// When the kernel can't be had, or qemu can't start.
pub fn boot(
    name: &str,
    programs: &Programs,
    wiring: (Console, &str),
    limit: Duration,
) -> Result<(Host, tempfile::TempDir)> {
    let kernel = kernels::get(name)?;
    let initramfs = programs::pack(&kernel, programs)?;
    let folder = run_folder(name)?;
    let deadline = Instant::now() + limit;
    let host = Host::boot(&kernel, &initramfs, folder.path(), wiring, deadline)?;
    Ok((host, folder))
}

/// A folder for what belongs to one run.
fn run_folder(name: &str) -> Result<tempfile::TempDir> {
    let parent = paths::target().join("lab/vm");
    fs::create_dir_all(&parent)?;
    Ok(tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&parent)?)
}
