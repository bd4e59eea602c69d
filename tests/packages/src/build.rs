//! memtrace for packages: a release build that asks for glibc 2.28 at most, stripped, with its
//! debug symbols apart. zig links it: its stubs of the C library are of the version that is asked
//! for, where a build in a chroot of Debian 11 would ask for that one's 2.31.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::setup::packaging;
use memtrace_lab::{paths, progress};

/// The oldest C library that packages run with.
pub const GLIBC: (u32, u32) = (2, 28);
pub const PLATFORM: &str = "x86_64-unknown-linux-gnu";

const BUILD: Duration = Duration::from_secs(45 * 60);
const SHORT: Duration = Duration::from_secs(60);

/// memtrace, as it is packaged.
#[derive(Clone, Debug)]
pub struct Built {
    pub program: PathBuf,
    pub symbols: PathBuf,
}

/// Why packages can't be built here.
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

/// Builds the program, and takes its symbols out.
///
/// # Errors
/// When it doesn't build, or the user interrupts.
pub fn run(folder: &Path) -> Result<Built> {
    let target = folder.join("build");
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).arg("zigbuild");
    command.args(["--locked", "--release", "--package", "memtrace", "--target"]);
    command.arg(format!("{PLATFORM}.{}.{}", GLIBC.0, GLIBC.1)).arg("--target-dir").arg(&target);
    // The linker is found by its Python environment.
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [packaging::python()].into_iter().chain(env::split_paths(&path));
    command.env("PATH", env::join_paths(path)?);
    progress::run("building memtrace for packages", &mut command, BUILD)?;
    let built = target.join(PLATFORM).join("release");
    let (program, symbols) = split(&built.join("memtrace"), folder)?;
    Ok(Built { program, symbols })
}

/// The program without symbols, and its symbols.
fn split(program: &Path, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let name = program.file_name().context("a program without a name")?.display().to_string();
    let folder = folder.join("programs");
    fs::create_dir_all(&folder)?;
    let symbols = folder.join(format!("{name}.debug"));
    let stripped = folder.join(&name);
    let mut keep = Command::new("objcopy");
    keep.args(["--only-keep-debug", "--compress-debug-sections"]).arg(program).arg(&symbols);
    progress::run(&format!("keeping symbols of {name}"), &mut keep, SHORT)?;
    let mut strip = Command::new("objcopy");
    strip.arg("--strip-all").arg(program).arg(&stripped);
    progress::run(&format!("stripping {name}"), &mut strip, SHORT)?;
    // Debuggers find the symbols by this name and their checksum.
    let mut link = Command::new("objcopy");
    link.current_dir(&folder).arg(format!("--add-gnu-debuglink={name}.debug")).arg(&name);
    progress::run(&format!("linking {name} to its symbols"), &mut link, SHORT)?;
    ensure!(stripped.is_file(), "{} isn't there", stripped.display());
    Ok((stripped, symbols))
}
