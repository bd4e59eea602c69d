//! What goes into a host: its PID 1, memtrace as released, qemu with what it reads, the
//! kernel's modules, and a kernel for Linux guests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::architecture::Architecture;
use super::{arm64, initramfs, libraries, modules};
use crate::local::initramfs as guest;
use crate::setup::kernel::Kernel;
use crate::{paths, progress, release};

/// What some scenarios need, where the kernel has it: zram and its compressors.
const OPTIONAL_MODULES: &[&str] =
    &["kvm_intel", "lzo", "lzo_rle", "lz4", "zstd", "zsmalloc", "zram"];
/// What qemu reads for a machine without display and network.
const FIRMWARE: &[&str] =
    &["bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin", "multiboot.bin", "multiboot_dma.bin"];
const FIRMWARE_FOLDERS: &[&str] =
    &["/usr/share/qemu", "/usr/share/seabios", "/usr/share/qemu-kvm", "/usr/local/share/qemu"];
/// What qemu loads for guests without KVM, where it doesn't have it in itself.
const TCG: &str = "accel-tcg-x86_64.so";
const MODULE_FOLDERS: &[&str] =
    &["/usr/lib/x86_64-linux-gnu/qemu", "/usr/lib64/qemu", "/usr/lib/qemu", "/usr/local/lib/qemu"];
/// Libraries that belong to a system's dynamic linker.
const OF_THE_SYSTEM: [&str; 7] =
    ["ld-linux", "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libresolv.so"];
/// Where a host has its programs.
pub(super) const MEMTRACE: &str = "bin/memtrace";
pub(super) const TESTS: &str = "bin/kernel-tests";
pub(super) const SWAP_TOOLS: [&str; 2] = ["sbin/swapon", "sbin/swapoff"];
const BUILD: Duration = Duration::from_secs(15 * 60);

/// What goes into every host.
pub struct Programs {
    pub(super) init: PathBuf,
    pub(super) memtrace: PathBuf,
    /// The tests of the eBPF programs.
    pub(super) tests: PathBuf,
    others: Others,
}

/// What else a host has, by its processor.
enum Others {
    /// qemu, for its guests.
    Amd64(PathBuf),
    /// Its system: a C library and a shell's tools.
    Arm64(PathBuf),
}

impl Programs {
    /// Builds and finds them.
    ///
    /// # Errors
    /// When one doesn't build, or there is no qemu.
    pub fn build(architecture: Architecture) -> Result<Self> {
        match architecture {
            Architecture::Amd64 => Ok(Self {
                others: Others::Amd64(find_qemu()?),
                memtrace: build_memtrace()?,
                tests: build_tests()?,
                init: guest::build_static("memtrace-lab-host")?,
            }),
            Architecture::Arm64 => {
                let arm64::Built { init, memtrace, tests } = arm64::build()?;
                Ok(Self { init, memtrace, tests, others: Others::Arm64(arm64::system()?) })
            }
        }
    }

    pub(super) const fn architecture(&self) -> Architecture {
        match self.others {
            Others::Amd64(_) => Architecture::Amd64,
            Others::Arm64(_) => Architecture::Arm64,
        }
    }
}

/// The initramfs of a host with this kernel.
///
/// # Errors
/// When a part of it is missing.
pub fn pack(kernel: &Kernel, programs: &Programs) -> Result<Vec<u8>> {
    let needed = programs.architecture().modules();
    let wanted: Vec<&str> = needed.iter().chain(OPTIONAL_MODULES).copied().collect();
    let modules = modules::in_order(&kernel.modules, &wanted)?;
    let mut root = initramfs::Root::new(&programs.init)?;
    root.modules(&modules);
    match &programs.others {
        Others::Amd64(qemu) => {
            let has_kvm = modules.iter().any(|module| module.name == "kvm_amd");
            ensure!(has_kvm, "it has no KVM for AMD");
            pack_programs(&mut root, programs, qemu)?;
            root.file(&kernel.image, Path::new("guest/vmlinuz"))?;
            root.content(&guest::build(kernel)?, Path::new("guest/initramfs"));
        }
        Others::Arm64(system) => arm64::pack(&mut root, programs, system)?,
    }
    Ok(root.finish())
}

/// memtrace, its tests, and what guests take, with their libraries.
fn pack_programs(root: &mut initramfs::Root, programs: &Programs, qemu: &Path) -> Result<()> {
    root.program(&programs.memtrace, MEMTRACE)?;
    root.program(&programs.tests, TESTS)?;
    for tool in SWAP_TOOLS {
        root.program(&Path::new("/").join(tool), tool)?;
    }
    root.program(qemu, "usr/bin/qemu-system-x86_64")?;
    if let Some(path) = find(TCG, MODULE_FOLDERS) {
        let place = path.strip_prefix("/").unwrap_or(&path).to_string_lossy().into_owned();
        root.program(&path, &place)?;
    }
    for name in FIRMWARE {
        let path = find(name, FIRMWARE_FOLDERS);
        let path = path.with_context(|| format!("qemu's {name} is nowhere"))?;
        root.file(&path, &Path::new("usr/share/qemu").join(name))?;
    }
    Ok(())
}

/// The initramfs of a host with this kernel that goes on with a system on its second disk.
///
/// # Errors
/// When a part of it is missing.
pub fn pack_system(kernel: &Kernel) -> Result<Vec<u8>> {
    let wanted = Architecture::Amd64.modules().iter().chain(OPTIONAL_MODULES).chain(&["ext4"]);
    let wanted: Vec<&str> = wanted.copied().collect();
    let mut root = initramfs::Root::new(&guest::build_static("memtrace-lab-host")?)?;
    root.modules(&modules::in_order(&kernel.modules, &wanted)?);
    Ok(root.finish())
}

/// Lays out qemu with what it reads in a folder, for a system that has none. Its libraries are
/// those of this machine, but for the C library's, which are the system's own.
///
/// # Errors
/// When there is no qemu here, or a part of it is missing.
pub fn portable_qemu(folder: &Path) -> Result<()> {
    let qemu = find_qemu()?;
    for part in ["lib", "bios"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::copy(&qemu, folder.join("qemu-system-x86_64"))?;
    let module = find(TCG, MODULE_FOLDERS);
    let mut files = libraries::of(&qemu)?;
    if let Some(module) = &module {
        files.extend(libraries::of(module)?);
        files.insert(module.clone());
    }
    for file in files {
        let name = file.file_name().unwrap_or_default().display().to_string();
        if !OF_THE_SYSTEM.iter().any(|part| name.starts_with(part)) {
            fs::copy(&file, folder.join("lib").join(name))?;
        }
    }
    for name in FIRMWARE {
        let path = find(name, FIRMWARE_FOLDERS);
        fs::copy(
            path.with_context(|| format!("qemu's {name} is nowhere"))?,
            folder.join("bios").join(name),
        )?;
    }
    Ok(())
}

fn find(name: &str, folders: &[&str]) -> Option<PathBuf> {
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// memtrace as it is released, without its debug information: it would only cost the host
/// memory.
fn build_memtrace() -> Result<PathBuf> {
    if release::obstacle().is_none() {
        return strip(&release::build()?, "memtrace");
    }
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace());
    command.args(["build", "--release", "--locked", "--package", "memtrace"]);
    progress::run("building memtrace for release", &mut command, BUILD)?;
    strip(&paths::target().join("release/memtrace"), "memtrace")
}

/// How cargo builds the tests of the eBPF programs.
pub(super) const BUILD_TESTS: [&str; 4] = ["--package", "memtrace-tests", "--test", "kernel"];

/// The tests of the eBPF programs, likewise.
fn build_tests() -> Result<PathBuf> {
    let build = || {
        let mut command = Command::new("cargo");
        command.current_dir(paths::workspace());
        command.args(["test", "--no-run", "--locked"]).args(BUILD_TESTS);
        command
    };
    progress::run("building the tests of the programs", &mut build(), BUILD)?;
    // Now all is there, and cargo only tells where.
    let told = build().arg("--message-format=json").output().context("ask cargo for the tests")?;
    let binary = executable(&String::from_utf8_lossy(&told.stdout));
    strip(&binary.context("cargo names no binary of the tests")?, "kernel-tests")
}

/// The binary of tests that cargo's messages name. They have the package's programs as well, in any
/// order.
pub(super) fn executable(messages: &str) -> Option<PathBuf> {
    let named = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_test = message.pointer("/target/kind/0")? == "test";
        is_test.then(|| Some(PathBuf::from(message.get("executable")?.as_str()?)))?
    };
    messages.lines().find_map(named)
}

fn strip(binary: &Path, name: &str) -> Result<PathBuf> {
    let folder = paths::target().join("lab/vm");
    fs::create_dir_all(&folder)?;
    let stripped = folder.join(name);
    let mut command = Command::new("strip");
    command.arg("-o").arg(&stripped).arg(binary);
    progress::run(&format!("stripping {name}"), &mut command, BUILD)?;
    Ok(stripped)
}

/// # Errors
/// When it isn't on the path.
pub fn find_qemu() -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join("qemu-system-x86_64"))
        .find(|path| path.is_file())
        .context("no qemu-system-x86_64; run the set-up (`cargo xtask setup`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_found_whatever_else_was_built() {
        let artifact = |kind: &str, name: &str| {
            format!(r#"{{"target":{{"kind":["{kind}"]}},"executable":"/t/{name}"}}"#)
        };
        let (tests, bench) = (artifact("test", "kernel-1"), artifact("bin", "memtrace-bench"));
        let library = r#"{"target":{"kind":["lib"]},"executable":null}"#;
        let end = r#"{"reason":"build-finished","success":true}"#;
        for lines in [[library, &bench, &tests, end], [library, &tests, &bench, end]] {
            assert_eq!(executable(&lines.join("\n")), Some(PathBuf::from("/t/kernel-1")));
        }
        assert_eq!(executable(&bench), None);
    }
}
