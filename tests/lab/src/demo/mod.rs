//! `cargo xtask demo`: real VMs under memory pressure, in memtrace's live view; or, with
//! `--check`, in a table that holds memtrace's counters against the kernel's. On this
//! machine itself where it may, else in a host of its own.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::binary::{self, Profile};
use crate::local::plan::Manager;
use crate::local::{Lab, obstacle};
use crate::setup::{self, Scope};
use crate::{child, interrupt, progress};

pub mod check;
mod compare;
mod document;
mod kernel;
mod nested;
mod stream;

#[derive(clap::Args)]
pub struct Arguments {
    /// Run the guests as libvirt domains
    #[arg(long)]
    libvirt: bool,
    /// In a host of its own (a VM with KVM guests inside), which is what happens anyway where
    /// this machine lacks root, eBPF or a memory cgroup
    #[arg(long, conflicts_with_all = ["libvirt", "seconds"])]
    nested: bool,
    /// Without a terminal: compare memtrace's counters with the kernel's, and fail if
    /// they differ
    #[arg(long)]
    check: bool,
    /// How long to press, with --check
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
}

/// Sets up, builds, starts the guests, and shows or checks.
///
/// # Errors
/// When something is missing or fails, or a row of the check is wrong.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    let elsewhere = |reason: &str| {
        progress::say(&format!("{reason}, so the demo makes a host of its own"));
        nested::run(arguments.check)
    };
    if arguments.nested {
        return nested::run(arguments.check);
    }
    if let Some(reason) = obstacle::to_privileges() {
        return elsewhere(&reason);
    }
    let missing = setup::run(Scope::Lab)?;
    ensure!(missing.is_empty(), "the demo can't run without what is missing");
    let manager = if arguments.libvirt { Manager::Libvirt } else { Manager::Plain };
    let memtrace = binary::build(Profile::Release)?;
    if let Some(reason) = obstacle::to_memtrace(&memtrace)? {
        return elsewhere(&reason);
    }
    if arguments.check {
        let table = check::run(&memtrace, manager, arguments.seconds)?;
        print!("\n{table}");
        ensure!(table.failed() == 0, "{} rows are wrong", table.failed());
        return Ok(());
    }
    show(&memtrace, manager)
}

/// The live view in the foreground, until it is quit.
fn show(memtrace: &Path, manager: Manager) -> Result<()> {
    let mut lab = Lab::up(manager, &[])?;
    lab.work()?;
    progress::say("opening the live view; q quits it");
    let status = child::status(Command::new(memtrace).arg("top"));
    lab.down()?;
    let status = status?;
    ensure!(status.success(), "memtrace top: {status}");
    Ok(())
}
