//! memtrace itself, as the lab runs it on this machine.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{paths, progress};

const BUILD: Duration = Duration::from_secs(30 * 60);

/// How memtrace is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

/// Builds memtrace and its helper for libvirt, which it finds beside itself, and returns where it
/// is.
///
/// # Errors
/// When it doesn't build.
pub fn build(profile: Profile) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace());
    command.args(["build", "--locked", "--package", "memtrace", "--package", "memtrace-libvirt"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            command.arg("--release");
            "release"
        }
    };
    progress::run(&format!("building memtrace ({folder})"), &mut command, BUILD)?;
    Ok(paths::target().join(folder).join("memtrace"))
}
