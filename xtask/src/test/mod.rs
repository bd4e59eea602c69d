//! `cargo xtask test`: everything, in order, with its time; what can't run here says why.
//! The last line is `N passed, N failed, N skipped`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use memtrace_lab::outcome::Outcome;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{interrupt, progress};

mod cargo;
mod deny;
mod live;
mod promtool;
mod steps;
mod summary;

use summary::{Row, Summary};

#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out the VMs
    #[arg(long)]
    quick: bool,
}

/// One step of the run: its name, and what does it.
struct Step {
    name: &'static str,
    run: fn() -> Result<Outcome>,
}

/// Sets up what is missing, runs all steps, and prints the summary. A failure is told by
/// the exit code alone: nothing may follow the summary's last line.
///
/// # Errors
/// When the run can't start.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    let scope = if arguments.quick { Scope::Programs } else { Scope::Everything };
    let started = Instant::now();
    setup::run(scope)?;
    let mut summary = Summary::default();
    summary.add(Row {
        name: "set-up".to_owned(),
        elapsed: started.elapsed(),
        outcome: Outcome::default(),
    });
    let live = if arguments.quick { &[][..] } else { steps::LIVE };
    for step in steps::HOST.iter().chain(live) {
        if interrupt::asked() {
            break;
        }
        progress::say(&format!("step: {}", step.name));
        let started = Instant::now();
        let outcome = (step.run)().unwrap_or_else(|error| {
            eprintln!("{}: {error:#}", step.name);
            let failures = vec![format!("{}: {error:#}", step.name)];
            Outcome { failures, ..Outcome::failed(1) }
        });
        summary.add(Row { name: step.name.to_owned(), elapsed: started.elapsed(), outcome });
    }
    let failed = summary.total().failed;
    print!("{summary}");
    let good = failed == 0 && !interrupt::asked();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
