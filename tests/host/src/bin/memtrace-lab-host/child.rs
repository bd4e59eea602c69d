//! Running a program to its end, bounded in time.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use memtrace_lab_host::wait::poll;

/// What a program did.
#[derive(Serialize)]
pub struct Ended {
    /// `None` when it was ended by a signal.
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
    pub seconds: f64,
}

/// Runs it; it is killed after `limit`.
///
/// # Errors
/// When it can't start.
pub fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<Ended> {
    run_command(Command::new(program).args(arguments), limit)
}

/// The same of a command with more to it than arguments.
///
/// # Errors
/// As [`run`].
pub fn run_command(command: &mut Command, limit: Duration) -> Result<Ended> {
    let started = Instant::now();
    // Into files: a pipe that is not read would stop it.
    let (output, errors) = ("/run/child.out", "/run/child.err");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(output)?)
        .stderr(File::create(errors)?)
        .spawn()
        .with_context(|| format!("run {command:?}"))?;
    if poll(limit, || child.try_wait().transpose()).transpose()?.is_none() {
        child.kill()?;
    }
    let status = child.wait()?;
    let read = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Ended {
        code: status.code(),
        output: read(output)?,
        errors: read(errors)?,
        seconds: started.elapsed().as_secs_f64(),
    })
}
