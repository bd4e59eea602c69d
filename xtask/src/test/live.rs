//! The steps with real VMs. Where they can't run, they say why and count as skipped.

use std::collections::BTreeSet;

use anyhow::Result;
use memtrace_lab::binary::{self, Profile};
use memtrace_lab::local::obstacle;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::outcome::Outcome;
use memtrace_lab::{demo, interrupt, vm};
use memtrace_measure::matrix;

/// Seconds of pressure; some ten thousand pages are swapped in that time.
const SECONDS: u64 = 15;

/// memtrace against the kernel, on plain qemu guests.
///
/// # Errors
/// When the lab or memtrace fails.
pub fn plain() -> Result<Outcome> {
    check(Manager::Plain)
}

/// The same on libvirt domains.
///
/// # Errors
/// When the lab or memtrace fails.
pub fn libvirt() -> Result<Outcome> {
    check(Manager::Libvirt)
}

/// The tests of the programs take four minutes on an emulated kernel: a full test run has them on
/// this one alone, and keeps what an earlier run said of the others.
const WITH_PROGRAMS: &str = "6.1";

/// Every scenario of level 2 on a kernel of the matrix, and on one the tests of the programs.
///
/// # Errors
/// When memtrace or the host's programs don't build, or the user interrupts.
pub fn level_2(kernel: &str) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Err(why) = vm::find_qemu() {
        return Ok(Outcome::skipped(format!("{why:#}")));
    }
    if let Err(why) = vm::fetch(kernel) {
        interrupt::check()?;
        return Ok(Outcome::skipped(format!("{why:#}")));
    }
    let names = vm::names();
    let wanted = |name: &&str| kernel == WITH_PROGRAMS || *name != vm::PROGRAMS;
    let names: Vec<&str> = names.into_iter().filter(wanted).collect();
    let report = vm::kernel(kernel, &vm::Programs::build(vm::Architecture::Amd64)?, &names, false)?;
    println!("\n{report}");
    if report.complete() {
        matrix::keep(kernel, &report)?;
    }
    let mut reasons = BTreeSet::new();
    for table in report.tables() {
        outcome.passed += u64::try_from(table.passed())?;
        outcome.skipped += u64::try_from(table.skipped.len())?;
        reasons.extend(table.skipped.iter().map(|skipped| skipped.reason.clone()));
    }
    let tested = report.tested();
    outcome.passed += tested.passed;
    outcome.skipped += tested.skipped;
    reasons.extend(tested.reasons.iter().map(|reason| format!("kernel {kernel}: {reason}")));
    for reason in report.skipped() {
        outcome.skipped += 1;
        reasons.insert(reason.to_owned());
    }
    outcome.failures = report.problems();
    // A host that died says so nowhere else.
    if outcome.failures.is_empty() && !report.good() {
        outcome.failures.push(report.failed.clone().unwrap_or("it never came to its end".into()));
    }
    for failure in &mut outcome.failures {
        *failure = format!("kernel {kernel}: {failure}");
    }
    outcome.failed = u64::try_from(outcome.failures.len())?;
    outcome.reasons = reasons.into_iter().collect();
    Ok(outcome)
}

fn check(manager: Manager) -> Result<Outcome> {
    if let Some(reason) = obstacle::to_lab(manager) {
        return Ok(Outcome::skipped(reason));
    }
    let memtrace = binary::build(Profile::Debug)?;
    if let Some(reason) = obstacle::to_memtrace(&memtrace)? {
        return Ok(Outcome::skipped(reason));
    }
    let table = demo::check::run(&memtrace, manager, SECONDS)?;
    println!("\n{table}");
    Ok(Outcome {
        passed: u64::try_from(table.passed())?,
        failed: u64::try_from(table.failed())?,
        skipped: u64::try_from(table.skipped.len())?,
        reasons: table.skipped.iter().map(|skipped| skipped.reason.clone()).collect(),
        failures: table.wrong().map(vm::sentence).collect(),
    })
}
