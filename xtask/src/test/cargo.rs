//! Running cargo, and reading how many tests passed from what it prints.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::tally::Outcome;
use crate::paths;

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
    let status = command.status().with_context(|| format!("run {command:?}"))?;
    Ok(Outcome::of(status.success()))
}

/// Runs `cargo test ...`, showing its output, and sums up its result lines.
///
/// # Errors
/// When it can't start or its output can't be read.
pub fn tests(command: &mut Command) -> Result<Outcome> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("run {command:?}"))?;
    let mut outcome = Outcome::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            if let Some(part) = parse_result(&line) {
                outcome.absorb(part);
            }
            // One line a test says little when hundreds pass.
            let passed = line.starts_with("test ") && line.ends_with(" ... ok");
            if !passed && !line.is_empty() {
                println!("{line}");
            }
        }
    }
    // A test binary that doesn't build or crashes prints no result line.
    if !child.wait()?.success() && outcome.failed == 0 {
        outcome.failed = 1;
    }
    Ok(outcome)
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
    if outcome.skipped > 0 {
        outcome.reasons.push(format!("{} tests are marked as ignored", outcome.skipped));
    }
    Some(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_gives_its_counts() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; \
                    3 filtered out; finished in 0.01s";
        let outcome = parse_result(line).unwrap();
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (5, 2, 1));
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in ["", "running 5 tests", "test a ... ok", "test result: odd"] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }
}
