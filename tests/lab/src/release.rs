//! memtrace as it is released: asking for glibc 2.28 at most, which packages promise. zig links it:
//! its stubs of the C library are of the version that is asked for, where a build in a chroot of
//! Debian 11 would ask for that one's 2.31.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::setup::packaging;
use crate::{paths, progress};

/// The oldest C library that packages run with.
pub const GLIBC: (u32, u32) = (2, 28);
pub const PLATFORM: &str = "x86_64-unknown-linux-gnu";

const BUILD: Duration = Duration::from_secs(45 * 60);

/// Why it can't be built here.
pub fn obstacle() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("packages are built for x86-64".to_owned());
    }
    for tool in [packaging::python().join("cargo-zigbuild"), packaging::bin().join("cargo-deb")] {
        if !tool.is_file() {
            let name = tool.file_name().unwrap_or_default().display().to_string();
            return Some(format!("{name} could not be had"));
        }
    }
    None
}

/// Builds it, and returns where it is, with its symbols. It is built once for packages and for the
/// kernels that it is tried on.
///
/// # Errors
/// When it doesn't build, or the user interrupts.
pub fn build() -> Result<PathBuf> {
    let target = paths::target().join("package/build");
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).arg("zigbuild");
    command.args(["--locked", "--release", "--package", "memtrace", "--target"]);
    command.arg(format!("{PLATFORM}.{}.{}", GLIBC.0, GLIBC.1)).arg("--target-dir").arg(&target);
    // The linker is found by its Python environment.
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [packaging::python()].into_iter().chain(env::split_paths(&path));
    command.env("PATH", env::join_paths(path)?);
    progress::run("building memtrace for packages", &mut command, BUILD)?;
    Ok(target.join(PLATFORM).join("release/memtrace"))
}
