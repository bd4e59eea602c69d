//! `memtrace check-config`: validates a configuration.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::config::{self, Config, Loaded, Problem};
use crate::sys::output;
use memtrace_core::format::several;

pub const AFTER_HELP: &str = "\
Exit status:
  0    valid
  78   invalid; each error is printed with file, line, column and key";

#[derive(Args, Clone, Debug)]
pub struct CheckConfigArguments {
    /// Configuration file; its .d directory (memtrace.d for memtrace.toml) is read too
    #[arg(default_value = config::FILE)]
    pub file: PathBuf,
}

/// Prints the result, and returns whether the configuration is valid.
///
/// # Errors
/// When standard output can't be written to.
pub fn run(file: &Path) -> Result<bool> {
    let (text, good) = report(file);
    output::print(&text)?;
    Ok(good)
}

/// The report on `file`, and whether it is valid.
pub(crate) fn report(file: &Path) -> (String, bool) {
    match Config::load(file, true) {
        Ok(loaded) => (fine(&loaded), true),
        Err(problems) => (wrong(&problems), false),
    }
}

fn fine(loaded: &Loaded) -> String {
    let mut text = String::new();
    for file in &loaded.files {
        // Writing to a string doesn't fail.
        let _ = writeln!(text, "{}: fine", file.display());
    }
    let Config { mode, rules, .. } = &loaded.config;
    let _ = writeln!(
        text,
        "mode {}, {} for VMs",
        mode.word(),
        several(rules.vms.len() as u64, "table")
    );
    text
}

fn wrong(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "{problem}");
    }
    text
}
