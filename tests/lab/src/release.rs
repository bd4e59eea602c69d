//! memtrace and its helper for libvirt as they are released: asking for glibc 2.28 at most, which
//! packages promise. zig links them: its stubs of the C library are of the version that is asked
//! for, where a build in a chroot of Debian 11 would ask for that one's 2.31. The helper is linked
//! against a stub of libvirt as well, so that it runs with any release that has what it calls.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::setup::packaging;
use crate::{paths, progress};

/// The oldest C library that packages run with.
pub const GLIBC: (u32, u32) = (2, 28);
pub const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What they are called, as crates and as programs.
const MEMTRACE: &str = "memtrace";
const HELPER: &str = "memtrace-libvirt";
/// The release of libvirt that the stub stands for: the least that the crate `virt` asks for, older
/// than any distribution's with glibc 2.28.
const STUB: &str = "6.0.0";
/// What the helper calls of libvirt's. Linking fails where one is missing here.
const CALLED: [&str; 17] = [
    "virConnectClose",
    "virConnectIsAlive",
    "virConnectListAllDomains",
    "virConnectOpen",
    "virConnectOpenReadOnly",
    "virDomainFree",
    "virDomainGetInfo",
    "virDomainGetMetadata",
    "virDomainGetName",
    "virDomainGetUUID",
    "virDomainGetXMLDesc",
    "virDomainLookupByUUID",
    "virDomainMemoryStats",
    "virDomainSetMemoryFlags",
    "virDomainSetMemoryStatsPeriod",
    "virGetLastError",
    "virSetErrorFunc",
];

const BUILD: Duration = Duration::from_secs(45 * 60);
const SHORT: Duration = Duration::from_secs(60);

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

/// Builds memtrace, and returns where it is, with its symbols. It is built once for packages and
/// for the kernels that it is tried on.
///
/// # Errors
/// When it doesn't build, or the user interrupts.
pub fn build() -> Result<PathBuf> {
    let mut command = cargo(MEMTRACE)?;
    progress::run("building memtrace for packages", &mut command, BUILD)?;
    Ok(built(MEMTRACE))
}

/// Builds its helper for libvirt.
///
/// # Errors
/// As [`build`].
pub fn build_helper() -> Result<PathBuf> {
    let stub = stub()?;
    let mut command = cargo(HELPER)?;
    command.env("PKG_CONFIG_PATH", stub);
    progress::run("building memtrace-libvirt for packages", &mut command, BUILD)?;
    Ok(built(HELPER))
}

fn target() -> PathBuf {
    paths::target().join("package/build")
}

fn built(package: &str) -> PathBuf {
    target().join(PLATFORM).join("release").join(package)
}

/// A folder with a library of libvirt's name that has what the helper calls, and what tells of it.
fn stub() -> Result<PathBuf> {
    let folder = paths::target().join("package/stub");
    fs::create_dir_all(&folder)?;
    let about = format!(
        "Name: libvirt\nDescription: a stub\nVersion: {STUB}\nLibs: -L{} -lvirt\n",
        folder.display()
    );
    fs::write(folder.join("libvirt.pc"), about)?;
    let source: String = CALLED.iter().map(|name| format!("void {name}(void) {{}}\n")).collect();
    fs::write(folder.join("libvirt.c"), source)?;
    let mut compile = Command::new("cc");
    compile.current_dir(&folder).args(["-shared", "-fPIC", "-nostdlib"]);
    compile.args(["-Wl,-soname,libvirt.so.0", "-o", "libvirt.so", "libvirt.c"]);
    progress::run("making a stub of libvirt", &mut compile, SHORT)?;
    Ok(folder)
}

fn cargo(package: &str) -> Result<Command> {
    let mut command = zigbuild(PLATFORM, &target())?;
    command.args(["--package", package]);
    Ok(command)
}

/// cargo, building for a target of Rust's and the oldest C library, with zig as the linker.
///
/// # Errors
/// When the path can't be set.
pub(crate) fn zigbuild(target: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).arg("zigbuild");
    command.args(["--locked", "--release", "--target"]);
    command.arg(format!("{target}.{}.{}", GLIBC.0, GLIBC.1)).arg("--target-dir").arg(folder);
    // The linker is found by its Python environment.
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [packaging::python()].into_iter().chain(env::split_paths(&path));
    command.env("PATH", env::join_paths(path)?);
    Ok(command)
}
