//! memtrace's own self-test, with the disk as swap.

use std::time::Duration;

use anyhow::Result;
use memtrace_lab_host::scenario::Swap;
use serde::Serialize;
use serde_json::Value;

use crate::{cgroup, child, swap};

const HELP: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(120);

/// Its outcome.
#[derive(Serialize)]
pub struct SelftestOutcome {
    seconds: f64,
    skipped: Option<&'static str>,
    code: Option<i32>,
    /// What it printed, if that was JSON.
    document: Option<Value>,
    errors: String,
}

/// Runs it, if this memtrace has one.
///
/// # Errors
/// When memtrace or swap can't run.
pub fn run() -> Result<SelftestOutcome> {
    let help = child::run("/bin/memtrace", &["selftest", "--help"], HELP)?;
    if help.code != Some(0) {
        let skipped = Some("this memtrace has no self-test");
        return Ok(SelftestOutcome {
            seconds: 0.0,
            skipped,
            code: None,
            document: None,
            errors: String::new(),
        });
    }
    let _swap = swap::On::new(Swap::Disk)?;
    cgroup::delegate()?;
    let ran = child::run("/bin/memtrace", &["selftest", "--json"], LIMIT)?;
    Ok(SelftestOutcome {
        seconds: ran.seconds,
        skipped: None,
        code: ran.code,
        document: serde_json::from_str(&ran.output).ok(),
        errors: ran.errors,
    })
}
