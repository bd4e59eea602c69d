//! `memtrace check-config`: what is wrong with a configuration, or that nothing is.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::{Config, Loaded, Problem};
use crate::output;

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
pub(super) fn report(file: &Path) -> (String, bool) {
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
