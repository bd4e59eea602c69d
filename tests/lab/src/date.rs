//! The day, for pages that say when they were made.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Today, of UTC, as `2026-01-31`.
///
/// # Errors
/// When it can't be asked for.
pub fn today() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("run date")?;
    ensure!(output.status.success(), "date: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
