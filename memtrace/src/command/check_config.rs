//! `memtrace check-config`: what is wrong with a configuration, or that nothing is.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::config::{self, Config, Loaded, Problem};
use crate::sys::output;

pub const AFTER_HELP: &str = "\
Exit status:
  0   it can be used
  1   it can't; each mistake is told with file, line, column and key";

#[derive(Args, Clone, Debug)]
pub struct CheckConfigArguments {
    /// The file; what is in the directory beside it (memtrace.d for memtrace.toml) is read too
    #[arg(default_value = config::FILE)]
    pub file: PathBuf,
}

/// Whether it can be used.
///
/// # Errors
/// When standard output can't be written to.
pub fn run(file: &Path) -> Result<bool> {
    let (text, good) = report(file);
    output::print(&text)?;
    Ok(good)
}

/// What there is to say of `file`, and whether it is good.
pub(crate) fn report(file: &Path) -> (String, bool) {
    match Config::load(file, true) {
        Ok(loaded) => (fine(&loaded), true),
        Err(problems) => (wrong(&problems), false),
    }
}

fn fine(loaded: &Loaded) -> String {
    let mut text = String::new();
    for file in &loaded.files {
        // A string takes everything.
        let _ = writeln!(text, "{}: fine", file.display());
    }
    let Config { mode, rules, .. } = &loaded.config;
    let _ = writeln!(text, "mode {}, {} tables for VMs", mode.word(), rules.vms.len());
    text
}

fn wrong(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "{problem}");
    }
    text
}
