//! `--apply-to`: shows the diff, asks for confirmation, and replaces the file.

use std::io::{self, BufRead, IsTerminal, stdin};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::apply::{bounds, diff, edited};
use super::vm::{SizeAdvice, VmAdvice};
use crate::config::invalid;
use crate::sys::atomic_write::replace;
use crate::sys::output;
use memtrace_core::text::clean;
use memtrace_store::regular;

/// Writes the bounds of these VMs into `file`, with `yes` or after confirmation.
///
/// # Errors
/// When it can't be read or written, or is invalid; it is unchanged then.
pub(super) fn run(file: &Path, yes: bool, vms: &[VmAdvice]) -> Result<()> {
    let name = file.display();
    let before = whole(file).with_context(|| format!("cannot read {name}"))?;
    let (bounds, left_out) = bounds(vms);
    let after = edited(file, &before, &bounds)
        .map_err(|problems| invalid(&problems).context("nothing written"))?;
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.iter().map(|name| clean(name)).collect();
        output::print(&format!("\nSkipped for low confidence: {}\n", names.join(", ")))?;
    }
    if after == before {
        return output::print(&format!("\n{name}: no changes\n"));
    }
    output::print(&format!("\n{}", diff(file, &before, &after)))?;
    if vms.iter().any(|vm| vm.verdict == SizeAdvice::Raise) {
        output::print(
            "\nA maximum above the size that a VM was started with takes effect when it is started \
             with that size.\n",
        )?;
    }
    if !yes && !agreed(file)? {
        return output::print(&format!("\n{name} unchanged\n"));
    }
    let now = whole(file).with_context(|| format!("cannot read {name}"))?;
    ensure!(now == before, "{name} was changed meanwhile; nothing written");
    replace(file, &after).with_context(|| format!("cannot write {name}"))?;
    output::print(&format!("\n{name} written; run `systemctl reload memtrace` to apply it\n"))
}

fn whole(file: &Path) -> io::Result<String> {
    io::read_to_string(regular::open(file)?)
}

/// Asks for confirmation on the terminal.
fn agreed(file: &Path) -> Result<bool> {
    if !stdin().is_terminal() {
        output::print("\nNot a terminal; use --yes to write it.\n")?;
        return Ok(false);
    }
    output::print(&format!("\nWrite this to {}? [y/N] ", file.display()))?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
