//! memtrace's programs on the running kernel, with stand-ins for VMs. Needs BPF; where
//! that isn't to be had, each test says so and counts as skipped.

mod churn;
mod hostile;
mod leftovers;
mod lifecycle;
mod oom;
mod overflow;
mod pass;
mod pressure;
mod rest;
mod signals;
mod strangers;
mod support;
mod swap;

use std::process::ExitCode;

use anyhow::Context;
use libtest_mimic::{Arguments, Failed, Trial};
use memtrace_core::signal::{Signal, reason_or};
use memtrace_host::probe::KernelSide;
use support::open;

type Test = fn() -> anyhow::Result<()>;

fn main() -> ExitCode {
    memtrace_tests::standin::play_if_asked();
    let mut arguments = Arguments::from_args();
    // The tests watch the whole machine; two at a time would see each other.
    arguments.test_threads = Some(1);
    let no_bpf = obstacle("BPF", open().map(drop));
    let no_root = obstacle("root", root());
    let no_pool = no_bpf || obstacle("a pool", memtrace_tests::pool::find().map(drop));
    let no_fentry = no_pool || obstacle("fentry programs", has(Signal::SwapInWait));
    let no_faults = no_bpf || obstacle("faults of any process", has(Signal::UserFaults));
    let no_rest = no_bpf || obstacle("hooks that rest", rest::can_rest());
    let no_pass = no_bpf || obstacle("a pass over processes", pass::fits());
    let mut trials = Vec::new();
    for (tests, skip) in [
        (signals::TESTS, no_bpf),
        (signals::FAULT_TESTS, no_faults),
        (lifecycle::TESTS, no_bpf),
        (lifecycle::FAULT_TESTS, no_faults),
        (churn::TESTS, no_bpf),
        (churn::FAULT_TESTS, no_faults),
        (overflow::TESTS, no_bpf),
        (leftovers::TESTS, no_bpf),
        (strangers::TESTS, no_bpf),
        (oom::TESTS, no_bpf),
        (rest::FAULT_TESTS, no_faults),
        (rest::RESTING_TESTS, no_rest),
        (rest::POOL_TESTS, no_rest || no_pool),
        (pass::TESTS, no_pass),
        (pass::POOL_TESTS, no_pass || no_pool),
        (pressure::TESTS, no_bpf),
        (pressure::POOL_TESTS, no_pool),
        (overflow::POOL_TESTS, no_pool),
        (strangers::POOL_TESTS, no_pool),
        (swap::TESTS, no_pool),
        (hostile::TESTS, no_root),
        (leftovers::FENTRY_TESTS, no_fentry),
    ] {
        trials.extend(tests.iter().map(|(name, test)| {
            Trial::test(*name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
                .with_ignored_flag(skip)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn root() -> anyhow::Result<()> {
    anyhow::ensure!(rustix::process::geteuid().is_root(), "this is another user");
    Ok(())
}

/// Whether something is missing; if so, says why.
fn obstacle(what: &str, found: anyhow::Result<()>) -> bool {
    if let Err(error) = &found {
        println!("skipped: the tests that need {what}: {error:#}");
    }
    found.is_err()
}

/// Whether this kernel has what a signal takes.
fn has(signal: Signal) -> anyhow::Result<()> {
    let kernel = open()?;
    let mut statuses = kernel.signals().iter();
    let status = statuses.find(|status| status.signal == signal);
    let status = status.context("no status")?;
    anyhow::ensure!(
        !status.quality.is_absent(),
        "{}",
        reason_or(status.quality.reason(), "absent")
    );
    Ok(())
}
