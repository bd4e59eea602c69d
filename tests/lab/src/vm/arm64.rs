//! What goes into an arm64 host: memtrace and the lab's programs, built here for its processor with
//! zig, and Debian's C library and tools for it. It has no qemu: its guest is the self-test's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::apt::Suite;
use super::architecture::Architecture;
use super::initramfs::Root;
use super::programs::{BUILD_TESTS, MEMTRACE, Programs, SWAP_TOOLS, TESTS, executable};
use crate::compile::{self, Pair};
use crate::{paths, progress, release};

const ARM64: Architecture = Architecture::Arm64;
const BUILD: Duration = Duration::from_secs(45 * 60);
/// Debian's release whose C library a host has.
const SUITE: &str = "bookworm";
const PACKAGES: [&str; 2] = ["libc6", "busybox-static"];
const LIBRARIES: &str = "lib/aarch64-linux-gnu";
/// What Rust's programs ask for.
const NEEDED: [&str; 6] =
    ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"];
const LINKER: &str = "lib/ld-linux-aarch64.so.1";
const BUSYBOX: &str = "bin/busybox";

/// What is built.
pub(super) struct Built {
    pub(super) init: PathBuf,
    pub(super) memtrace: PathBuf,
    pub(super) tests: PathBuf,
}

/// Builds memtrace, the host's PID 1 and the tests of the eBPF programs.
///
/// # Errors
/// When one doesn't build, or what builds it isn't here.
pub(super) fn build() -> Result<Built> {
    if let Some(reason) = release::obstacle() {
        anyhow::bail!("{reason}; run the set-up (`cargo xtask setup`)");
    }
    let programs = ["--package", "memtrace", "--package", "memtrace-lab-host"];
    progress::run("building memtrace for arm64", cargo()?.args(programs), BUILD)?;
    progress::run("building the programs' tests for arm64", cargo()?.args(BUILD_TESTS), BUILD)?;
    let mut told = cargo()?;
    let told = told.args(BUILD_TESTS).arg("--message-format=json").output();
    let told = told.context("ask cargo for the tests")?;
    let tests = executable(&String::from_utf8_lossy(&told.stdout));
    let folder = target().join(ARM64.target()).join("release");
    Ok(Built {
        init: folder.join("memtrace-lab-host"),
        memtrace: folder.join("memtrace"),
        tests: tests.context("cargo names no binary of the tests")?,
    })
}

fn target() -> PathBuf {
    paths::target().join("lab/arm64")
}

/// The standard library is built as well: a machine need not have it for this processor. So the
/// compiler is the nightly that builds the eBPF object, which has the library's sources.
fn cargo() -> Result<Command> {
    let tools = compile::find_tools(&paths::target(), &Pair::read(&paths::ebpf_crate())?)?;
    let mut command = release::zigbuild(ARM64.target(), &target())?;
    command.arg("-Zbuild-std").env("RUSTUP_TOOLCHAIN", tools.toolchain);
    for key in ["CARGO", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(key);
    }
    // As small as released, but built in less time.
    command.env("CARGO_PROFILE_RELEASE_STRIP", "true");
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    Ok(command)
}

/// The folder of Debian's parts; fetched unless it is kept.
///
/// # Errors
/// When they can't be had.
pub(super) fn system() -> Result<PathBuf> {
    let folder = paths::target().join("lab/arm64/system");
    if folder.join(BUSYBOX).is_file() && folder.join(LINKER).exists() {
        return Ok(folder);
    }
    let suite = Suite::new(SUITE, ARM64)?;
    suite.update()?;
    suite.unpack(&PACKAGES.map(str::to_owned), &folder)?;
    Ok(folder)
}

/// Adds them.
///
/// # Errors
/// When one is missing.
pub(super) fn pack(root: &mut Root, programs: &Programs, system: &Path) -> Result<()> {
    for (program, place) in [(&programs.memtrace, MEMTRACE), (&programs.tests, TESTS)] {
        root.file(program, Path::new(place))?;
    }
    for tool in SWAP_TOOLS {
        root.file(&system.join(BUSYBOX), Path::new(tool))?;
    }
    root.file(&system.join(LINKER), Path::new(LINKER))?;
    for name in NEEDED {
        let path = Path::new(LIBRARIES).join(name);
        root.file(&system.join(&path), &path)?;
    }
    Ok(())
}
