//! What Prometheus' own tool says of the metrics' text and of the alert rules.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use memtrace_lab::outcome::Outcome;
use memtrace_lab::setup::programs::Program;
use memtrace_lab::{interrupt, paths};

use super::cargo::one;

/// The demo's metrics in the text format that promtool reads, as memtrace's own tests pin them.
const PINNED: &str = "memtrace/view/src/export/metrics/snapshots/\
                      memtrace_view__export__metrics__tests__the_demo_in_the_classic_form_is_pinned.snap";
const RULES: &str = "packaging/prometheus";

/// Checks the metrics, the rules, and what the rules make of made-up series.
///
/// # Errors
/// When promtool can't start, though it is there, or a file of ours can't be read.
pub fn run() -> Result<Outcome> {
    if let Some(why) = Program::Promtool.obstacle() {
        interrupt::check()?;
        return Ok(Outcome::skipped(why));
    }
    let text = fs::read_to_string(paths::workspace().join(PINNED)).context(PINNED)?;
    let metrics = paths::target().join("promtool.prom");
    fs::write(&metrics, body(&text)?).with_context(|| format!("write {}", metrics.display()))?;
    let metrics = fs::File::open(&metrics)?;
    let mut outcome = one(promtool(&["check", "metrics"])?.stdin(metrics))?;
    outcome.absorb(one(&mut promtool(&["check", "rules", "memtrace.rules.yml"])?)?);
    outcome.absorb(one(&mut promtool(&["test", "rules", "memtrace.rules.test.yml"])?)?);
    Ok(outcome)
}

fn promtool(arguments: &[&str]) -> Result<Command> {
    let mut command = Program::Promtool.command()?;
    command.current_dir(paths::workspace().join(RULES)).args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// A snapshot of insta without its head.
fn body(snapshot: &str) -> Result<&str> {
    snapshot.splitn(3, "---\n").nth(2).context("the pinned metrics have no head")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_metrics_are_found_and_have_no_head() {
        let text = fs::read_to_string(paths::workspace().join(PINNED)).expect(PINNED);
        let body = body(&text).expect("it has a head");
        assert!(body.starts_with("# HELP memtrace_build_info "), "{body}");
        assert!(super::body("nothing").is_err());
    }
}
