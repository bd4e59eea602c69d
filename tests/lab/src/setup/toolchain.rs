//! Rust's pieces: rustfmt and clippy for the compiler in use; the pinned nightly with
//! rust-src, and bpf-linker, for the eBPF object.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Missing, Scope};
use crate::compile::{self, Pair};
use crate::{interrupt, paths, progress};

const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Adds the components and tools that `scope` needs and that aren't there.
///
/// # Errors
/// When the user interrupts, or the pinned pair can't be read.
pub fn ensure(scope: Scope, missing: &mut Vec<Missing>) -> Result<()> {
    for component in ["rustfmt", "clippy"] {
        let sub_command = if component == "rustfmt" { "fmt" } else { component };
        if !succeeds(Command::new("cargo").args([sub_command, "--version"])) {
            let mut command = Command::new("rustup");
            command.args(["component", "add", component]);
            fetch(&format!("adding {component}"), &mut command, "the tests", missing)?;
        }
    }
    if scope.programs() {
        let pair = Pair::read(&paths::ebpf_crate())?;
        nightly(&pair, missing)?;
        linker(&pair, &paths::target(), missing)?;
    }
    Ok(())
}

/// The nightly of the pair with the standard library's sources, which bpfel-unknown-none's
/// core is built from.
fn nightly(pair: &Pair, missing: &mut Vec<Missing>) -> Result<()> {
    const FOR: &str = "rebuilding the eBPF object";
    for name in &pair.toolchains {
        if let Some(sysroot) = compile::sysroot(name, &pair.rustc) {
            if !sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
                let mut command = Command::new("rustup");
                command.args(["component", "add", "rust-src", "--toolchain", name]);
                fetch(&format!("adding rust-src to {name}"), &mut command, FOR, missing)?;
            }
            return Ok(());
        }
    }
    let dated = pair.toolchains.last().context("no toolchain is pinned")?;
    let mut command = Command::new("rustup");
    command.args(["toolchain", "install", dated, "--profile", "minimal"]);
    command.args(["--component", "rust-src", "--component", "clippy", "--no-self-update"]);
    fetch(&format!("installing {dated} ({})", pair.rustc), &mut command, FOR, missing)
}

/// bpf-linker in a place of ours: nothing of the user's is touched.
fn linker(pair: &Pair, target: &Path, missing: &mut Vec<Missing>) -> Result<()> {
    if compile::find_linker(target, pair).is_some() {
        return Ok(());
    }
    let version = pair.linker.rsplit(' ').next().unwrap_or_default();
    let mut command = Command::new("cargo");
    command.args(["install", "bpf-linker", "--version", version, "--locked", "--force", "--root"]);
    command.arg(target.join("tools"));
    let what = format!("building {} (about two minutes)", pair.linker);
    fetch(&what, &mut command, "rebuilding the eBPF object", missing)
}

/// Runs what brings a tool; without success it is missing.
///
/// # Errors
/// When the user interrupts.
pub(super) fn fetch(
    what: &str,
    command: &mut Command,
    needed_for: &'static str,
    missing: &mut Vec<Missing>,
) -> Result<()> {
    if let Err(error) = progress::run(what, command, LIMIT) {
        interrupt::check()?;
        missing.push(Missing {
            what: what.to_owned(),
            needed_for,
            command: spoken(command),
            why: format!("{error:#}"),
        });
    }
    Ok(())
}

/// The command as one would type it.
fn spoken(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
