//! The one set-up, for a fresh Debian machine as for one that has everything: look what
//! is there, fetch what isn't, and list what could not be had.

use std::fmt;

use anyhow::Result;

use crate::progress;

pub mod chroots;
mod debian;
pub mod kernel;
pub mod packaging;
pub mod programs;
mod toolchain;

/// What the caller is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Rebuild the eBPF object.
    Programs,
    /// Run VMs.
    Lab,
    /// Run VMs in a host of its own, for which this machine needs no privilege.
    Nested,
    /// Run hosts with another processor, for which memtrace is built here.
    Arm64,
    /// Measure what memtrace costs.
    Bench,
    /// Make packages, and check them.
    Package,
    /// All that tests and the lab need.
    Everything,
}

impl Scope {
    fn programs(self) -> bool {
        matches!(self, Self::Programs | Self::Arm64 | Self::Everything)
    }

    fn packages(self) -> bool {
        matches!(self, Self::Package | Self::Everything)
    }

    fn lab(self) -> bool {
        matches!(self, Self::Lab | Self::Everything)
    }
}

/// Something that isn't here, what it is for, and the command that would bring it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub what: String,
    pub needed_for: &'static str,
    pub command: String,
    /// Why it could not be had just now.
    pub why: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, needed_for, command, why } = self;
        write!(f, "{what} (for {needed_for}): {why}\n      {command}")
    }
}

/// Brings everything that `scope` needs, as far as it may. What is already there costs
/// no more than a look. Returns what is still missing.
///
/// # Errors
/// When the user interrupts.
pub fn run(scope: Scope) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    debian::ensure(scope, &mut missing)?;
    toolchain::ensure(scope, &mut missing)?;
    if scope.lab() {
        kernel::ensure(&mut missing)?;
    }
    if scope == Scope::Everything {
        programs::ensure(&mut missing)?;
    }
    if scope == Scope::Arm64 {
        packaging::wheels(&mut missing)?;
    }
    if scope.packages() {
        packaging::ensure(&mut missing)?;
        chroots::ensure(&mut missing)?;
    }
    if !missing.is_empty() {
        progress::say("missing on this machine:");
        for item in &missing {
            eprintln!("    {item}");
        }
    }
    Ok(missing)
}
