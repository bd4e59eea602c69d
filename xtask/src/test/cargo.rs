//! Running cargo, and reading how many tests passed from what it prints.

use std::process::{Command, Stdio};

use anyhow::Result;
use memtrace_lab::outcome::Outcome;
use memtrace_lab::{child, paths};

/// How our tests begin the line that says why some of them can't run here.
const REASON: &str = "skipped: ";

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
    let mut outcome = Outcome::default();
    let mut reasons = Vec::new();
    let status = child::lines(command, |line| {
        if let Some(part) = parse_result(line) {
            outcome.absorb(part);
        }
        reasons.extend(line.strip_prefix(REASON).map(str::to_owned));
        outcome.failures.extend(parse_failure(line));
        // One line a test says little when hundreds pass.
        let passed = line.starts_with("test ") && line.ends_with(" ... ok");
        if !passed && !line.is_empty() {
            println!("{line}");
        }
    })?;
    // A test binary that doesn't build or crashes prints no result line.
    if !status.success() && outcome.failed == 0 {
        outcome.failed = 1;
    }
    if outcome.skipped > 0 {
        let unexplained = || vec![format!("{} tests, and they don't say why", outcome.skipped)];
        outcome.reasons = if reasons.is_empty() { unexplained() } else { reasons };
    }
    Ok(outcome)
}

/// The name in `test NAME ... FAILED`.
fn parse_failure(line: &str) -> Option<String> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED").map(str::to_owned)
}

/// The counts in `test result: ok. 5 passed; 0 failed; 0 ignored; ...`.
fn parse_result(line: &str) -> Option<Outcome> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut outcome = Outcome::default();
    for part in counts.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let slot = match what {
            "passed" => &mut outcome.passed,
            "failed" => &mut outcome.failed,
            "ignored" => &mut outcome.skipped,
            _ => continue,
        };
        *slot = number.parse().ok()?;
    }
    Some(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_has_a_name() {
        assert_eq!(
            parse_failure("test policy::gives ... FAILED").as_deref(),
            Some("policy::gives")
        );
        assert_eq!(parse_failure("test policy::gives ... ok"), None);
    }

    #[test]
    fn a_result_line_gives_its_counts() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; \
                    3 filtered out; finished in 0.01s";
        let outcome = parse_result(line).unwrap();
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (5, 2, 1));
    }

    fn outcome_of(script: &str) -> Outcome {
        tests(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_test_that_could_not_run_keeps_its_reason() {
        let said = "echo 'skipped: no BPF'; echo 'test result: ok. 1 passed; 2 ignored'";
        let outcome = outcome_of(said);
        assert_eq!((outcome.passed, outcome.skipped), (1, 2));
        assert_eq!(outcome.reasons, ["no BPF"]);
        let silent = outcome_of("echo 'test result: ok. 1 passed; 2 ignored'");
        assert!(silent.reasons[0].contains("don't say why"));
    }

    #[test]
    fn tests_that_do_not_build_are_a_failure() {
        assert_eq!(outcome_of("exit 101").failed, 1);
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in ["", "running 5 tests", "test a ... ok", "test result: odd"] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }
}
