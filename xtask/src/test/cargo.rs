//! Running cargo, and what came out of the tests that it runs.

use std::process::{Command, Stdio};

use anyhow::Result;
use memtrace_lab::harness::{self, Printed};
use memtrace_lab::outcome::Outcome;
use memtrace_lab::{child, paths};

/// A cargo call in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command that counts as one test.
///
/// # Errors
/// When it can't start.
pub fn one(command: &mut Command) -> Result<Outcome> {
    Ok(Outcome::of(child::status(command)?.success()))
}

/// Runs `cargo test ...`, showing its output, and sums up its result lines.
///
/// # Errors
/// When it can't start or its output can't be read.
pub fn tests(command: &mut Command) -> Result<Outcome> {
    let mut printed = Printed::default();
    let status = child::lines(command, |line| {
        printed.take(line);
        // One line a test says little when hundreds pass.
        if !harness::is_passed(line) && !line.is_empty() {
            println!("{line}");
        }
    })?;
    Ok(printed.outcome(status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome_of(script: &str) -> Outcome {
        tests(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn what_tests_print_is_summed_up() {
        let said = "echo 'skipped: no BPF'; echo 'test result: ok. 1 passed; 2 ignored'";
        let outcome = outcome_of(said);
        assert_eq!((outcome.passed, outcome.skipped), (1, 2));
        assert_eq!(outcome.reasons, ["no BPF"]);
    }

    #[test]
    fn tests_that_do_not_build_are_a_failure() {
        assert_eq!(outcome_of("exit 101").failed, 1);
    }
}
