//! What dependencies may be, by cargo-deny and deny.toml: licences, sources, what is there twice,
//! and known holes.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::Result;
use memtrace_lab::outcome::Outcome;
use memtrace_lab::setup::packaging;
use memtrace_lab::{child, paths};

use super::cargo::one;

/// What is asked without a network.
const CHECKS: [&str; 3] = ["licenses", "bans", "sources"];
/// Longest time, in seconds, in which the database of advisories is fetched.
const PATIENCE: &str = "60";

/// Checks what can be checked here, and says what can't.
///
/// # Errors
/// When cargo-deny can't start, though it is there, or the user interrupts.
pub fn run() -> Result<Outcome> {
    let program = packaging::python().join("cargo-deny");
    if !program.exists() {
        let why = "cargo-deny isn't there; the set-up for packages fetches it";
        return Ok(Outcome::skipped(why));
    }
    let mut outcome = Outcome::default();
    for check in CHECKS {
        // Two crates write LGPL-2.1 in an older form, which is no error.
        let arguments = ["--offline", "--locked", "check", "--allow", "parse-error", check];
        outcome.absorb(one(in_workspace(&program).args(arguments))?);
    }
    outcome.absorb(advisories(program.as_os_str())?);
    Ok(outcome)
}

/// The database is a repository of its own, which isn't to be had everywhere.
fn advisories(program: &OsStr) -> Result<Outcome> {
    let mut fetch = in_workspace("timeout");
    fetch.args(["--kill-after=5", PATIENCE]).arg(program).args(["fetch", "db"]);
    if !child::status(&mut fetch)?.success() {
        return Ok(Outcome::skipped("advisories: their database can't be fetched from GitHub"));
    }
    one(in_workspace(program).args(["--locked", "check", "--disable-fetch", "advisories"]))
}

fn in_workspace(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(paths::workspace()).stdin(Stdio::null());
    command
}
