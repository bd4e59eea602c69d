//! Trials of `memtrace mitigate --enforce` on real VMs: memtrace, a guest or libvirt's daemon is
//! killed in mid-inflation, a monitor hangs, the disk under the journal is full. The journal has
//! to stay complete, and no guest may stay shrunk without memtrace knowing.

use std::path::Path;

use anyhow::Result;

use crate::binary::{self, Profile};
use crate::local::plan::{LAB, Layout, Manager};
use crate::local::{Lab, obstacle};
use crate::outcome::Outcome;
use crate::setup::{self, Scope};
use crate::{interrupt, progress};

mod domains;
pub mod mitigator;
mod plain;
mod stage;
mod step;

use stage::Stage;

#[derive(clap::Args)]
pub struct Arguments {
    /// The trials of libvirt domains instead of those of plain qemu guests
    #[arg(long)]
    libvirt: bool,
}

/// A trial: what has to hold, for people, and how it is tried.
type Trial = (&'static str, fn(&mut Stage<'_>) -> Result<()>);

/// Sets up, and tries.
///
/// # Errors
/// When something is missing, or a trial fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    let missing = setup::run(Scope::Lab)?;
    anyhow::ensure!(missing.is_empty(), "there are no trials without what is missing");
    let manager = if arguments.libvirt { Manager::Libvirt } else { Manager::Plain };
    let outcome = all(manager)?;
    for reason in &outcome.reasons {
        println!("skipped: {reason}");
    }
    anyhow::ensure!(outcome.failures.is_empty(), "failed:\n{}", outcome.failures.join("\n"));
    Ok(())
}

/// All trials of guests of this kind, one after the other in one lab.
///
/// # Errors
/// When the lab can't be had; a trial that fails is in the outcome.
pub fn all(manager: Manager) -> Result<Outcome> {
    if let Some(reason) = obstacle::to_lab(manager) {
        return Ok(Outcome::skipped(reason));
    }
    let memtrace = binary::build(Profile::Debug)?;
    if let Some(reason) = obstacle::to_memtrace(&memtrace)? {
        return Ok(Outcome::skipped(reason));
    }
    let trials = match manager {
        Manager::Plain => plain::TRIALS,
        Manager::Libvirt => domains::TRIALS,
    };
    try_all(trials, &memtrace, manager)
}

fn try_all(trials: &[Trial], memtrace: &Path, manager: Manager) -> Result<Outcome> {
    // What guests have to give may not be swapped.
    let mut lab = Lab::up_as(Layout { limit_mib: 1536, ..LAB }, manager, &[])?;
    let mut outcome = Outcome::default();
    for (number, (what, trial)) in trials.iter().enumerate() {
        interrupt::check()?;
        progress::say(&format!("trial: {what} ..."));
        let mut stage = Stage::set(&mut lab, memtrace, number)?;
        match trial(&mut stage) {
            Ok(()) => outcome.passed += 1,
            Err(error) => {
                interrupt::check()?;
                outcome.failed += 1;
                outcome.failures.push(format!("{what}: {error:#}"));
                progress::say(&format!("trial: {what}: failed: {error:#}"));
            }
        }
    }
    lab.down()?;
    Ok(outcome)
}
