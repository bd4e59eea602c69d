//! `cargo xtask vm KERNEL...`: memtrace on the kernels of the matrix, and docs/attribution.md
//! from what its counters were worth on each.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use memtrace_lab::date::today;
use memtrace_lab::interrupt;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::vm::{
    ARM64, Architecture, KernelReport, MATRIX, Programs, beside, kernel, names,
};
use memtrace_lab_host::scenario;

mod attribution;
mod kept;

#[derive(clap::Args)]
#[command(after_help = scenarios())]
pub struct Arguments {
    /// Kernels such as 6.12, or `newest`; with larger pages, on arm64, as 6.12-16k
    #[arg(required_unless_present_any = ["all", "write"])]
    kernels: Vec<String>,
    /// The hosts' processor. On arm64 hosts memtrace's self-test and the tests of its programs
    /// run, and no scenarios
    #[arg(long, value_enum, default_value_t, conflicts_with = "write")]
    arch: Architecture,
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

fn scenarios() -> String {
    let lines = scenario::ALL.iter().map(|scenario| (scenario.name, scenario.about));
    let lines = lines.chain(scenario::BESIDE.iter().copied());
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
        true if arguments.arch == Architecture::Arm64 => ARM64.to_vec(),
        true => MATRIX.to_vec(),
        false => arguments.kernels.iter().map(String::as_str).collect(),
    };
    if wanted.is_empty() {
        write_page()?;
        return Ok(ExitCode::SUCCESS);
    }
    let tests: Vec<&str> = match arguments.tests.is_empty() {
        true if arguments.arch == Architecture::Arm64 => beside(),
        true => names(),
        false => arguments.tests.iter().map(String::as_str).collect(),
    };
    if arguments.arch == Architecture::Arm64 {
        let missing = setup::run(Scope::Arm64)?;
        ensure!(missing.is_empty(), "an arm64 host can't run without what is missing");
    }
    let programs = Programs::build(arguments.arch)?;
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

/// Keeps what a run on a kernel of the matrix gave, for docs/attribution.md. What it left out stays
/// of an earlier run.
///
/// # Errors
/// When it can't be written.
pub fn keep(name: &str, outcome: &KernelReport) -> Result<()> {
    kept::keep(&kept::folder(), name, &today()?, outcome)
}

fn write_page() -> Result<()> {
    attribution::write(&kept::all(&kept::folder(), MATRIX)?)
}
