//! `--apply-to`: the change is shown, somebody agrees, and the file is replaced.

use std::fs;
use std::io::{BufRead, IsTerminal, stdin};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};

use super::apply::{bounds, diff, edited};
use super::vm::{Verdict, VmAdvice};
use crate::sys::atomic_write::replace;
use crate::sys::output;
use memtrace_core::text::clean;

/// Writes the bounds of these VMs into `file`, after `yes` or a question.
///
/// # Errors
/// When it can't be read or written, or has a mistake; it is as it was then.
pub(super) fn run(file: &Path, yes: bool, vms: &[VmAdvice]) -> Result<()> {
    let name = file.display();
    let before = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let (bounds, left_out) = bounds(vms);
    let after = edited(file, &before, &bounds).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("nothing is written, as this is no configuration:\n{}", problems.join("\n"))
    })?;
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.iter().map(|name| clean(name)).collect();
        output::print(&format!("\nLeft out, as too little is sure: {}\n", names.join(", ")))?;
    }
    if after == before {
        return output::print(&format!("\n{name} needs no change\n"));
    }
    output::print(&format!("\n{}", diff(file, &before, &after)))?;
    if vms.iter().any(|vm| vm.verdict == Verdict::Raise) {
        output::print(
            "\nWhat is raised above what a VM was started with takes effect once it is started \
             with as much.\n",
        )?;
    }
    if !yes && !agreed(file)? {
        return output::print(&format!("\n{name} is as it was\n"));
    }
    let now = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    ensure!(now == before, "{name} was changed meanwhile, and is left alone");
    replace(file, &after).with_context(|| format!("cannot write {name}"))?;
    output::print(&format!("\n{name} is written; `systemctl reload memtrace` has it read\n"))
}

/// Whether somebody at the terminal says so.
fn agreed(file: &Path) -> Result<bool> {
    if !stdin().is_terminal() {
        output::print("\nThere is nobody to ask: --yes writes it.\n")?;
        return Ok(false);
    }
    output::print(&format!("\nWrite this to {}? [y/N] ", file.display()))?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
