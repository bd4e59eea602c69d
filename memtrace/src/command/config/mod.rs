//! `memtrace config`: validates a configuration, and tells what holds and who says so.

pub(crate) mod args;
pub(crate) mod check;
mod show;

use std::process::ExitCode;

use anyhow::Result;

use crate::config::{Config, DEFAULTS, Loaded, invalid};
use crate::sys::{exit, output};
use args::{ConfigCommand, ConfigFile};

/// Runs the command, and returns the exit code: of a configuration that isn't valid, or 0.
///
/// # Errors
/// When the configuration to show is invalid, or the output can't be written.
pub fn run(command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Check(file) => return check(file),
        ConfigCommand::Show { default: true, json: false, .. } => output::print(DEFAULTS)?,
        ConfigCommand::Show { default: true, .. } => output::print(&show::json(&[], &[])?)?,
        ConfigCommand::Show { file, json, .. } => {
            let Loaded { files, entries, .. } = loaded(file)?;
            let text = if *json { show::json(&files, &entries)? } else { show::text(&entries) };
            output::print(&text)?;
        }
        ConfigCommand::Path(file) => output::print(&paths(file)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what is wrong with a configuration, or what it is.
///
/// # Errors
/// When standard output can't be written to.
pub fn check(file: &ConfigFile) -> Result<ExitCode> {
    let (text, good) = check::report(file.path(), file.must());
    output::print(&text)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(exit::MISCONFIGURED) })
}

fn loaded(file: &ConfigFile) -> Result<Loaded> {
    Config::load(file.path(), file.must()).map_err(|problems| invalid(&problems))
}

/// One in each line; the main file also where it doesn't exist.
fn paths(file: &ConfigFile) -> Result<String> {
    let mut files = loaded(file)?.files;
    if !files.iter().any(|found| found == file.path()) {
        files.insert(0, file.path().to_owned());
    }
    Ok(files.iter().map(|file| format!("{}\n", file.display())).collect())
}
