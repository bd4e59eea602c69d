//! Tests that need the running kernel: where they can't run, each says so and counts as skipped.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

pub type Test = fn() -> Result<()>;

/// Runs them, `threads` at a time at most. `obstacle`: why they can't run here, told of `subject`.
pub fn run<const N: usize>(
    tests: [(&'static str, Test); N],
    subject: &str,
    obstacle: Option<String>,
    threads: Option<usize>,
) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = threads.or(arguments.test_threads);
    if let Some(reason) = &obstacle {
        println!("skipped: {subject} on this kernel: {reason}");
    }
    let trial = |(name, test): (&str, Test)| {
        Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
            .with_ignored_flag(obstacle.is_some())
    };
    libtest_mimic::run(&arguments, tests.map(trial).into()).exit_code()
}
