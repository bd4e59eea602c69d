//! `cargo xtask vm KERNEL...`: level 2 of the lab. Each kernel is booted in a VM of its
//! own, with real KVM guests inside (qemu emulates SVM and nested paging), and memtrace's
//! own binary is tried there against the kernel's counters. Nothing needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::lab::initramfs as guest;
use crate::setup::kernel::Kernel;
use crate::{interrupt, paths, progress};

mod apt;
mod boot;
mod compare;
mod comparison;
mod initramfs;
mod kernels;
mod libraries;
mod modules;
mod report;

use report::Outcome;

/// No kernel's run may take longer.
const LIMIT: Duration = Duration::from_secs(6 * 60);
/// What a host needs beside what its kernel has built in.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "irqbypass", "kvm", "kvm_amd"];
/// What qemu reads for a machine without display and network.
const FIRMWARE: &[&str] = &["bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin"];
const FIRMWARE_FOLDERS: &[&str] =
    &["/usr/share/qemu", "/usr/share/seabios", "/usr/share/qemu-kvm", "/usr/local/share/qemu"];
const BUILD: Duration = Duration::from_secs(15 * 60);

#[derive(clap::Args)]
pub struct Arguments {
    /// Kernels such as 6.12, or `newest`
    #[arg(required_unless_present = "all")]
    kernels: Vec<String>,
    /// Every kernel of the matrix
    #[arg(long)]
    all: bool,
    /// Keep each run's files (console, report, initramfs) and say where
    #[arg(long)]
    keep: bool,
}

/// Runs them one after the other.
///
/// # Errors
/// When the set-up fails or the user interrupts; a kernel that fails is told of and
/// makes the exit code.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    let wanted: Vec<&str> = match arguments.all {
        true => kernels::MATRIX.to_vec(),
        false => arguments.kernels.iter().map(String::as_str).collect(),
    };
    let programs = Programs {
        memtrace: build_memtrace()?,
        init: guest::build_static("memtrace-lab-host")?,
        qemu: find_qemu()?,
    };
    let mut code = ExitCode::SUCCESS;
    for name in wanted {
        let started = Instant::now();
        let result = kernels::get(name).and_then(|kernel| {
            progress::say(&format!("kernel {name}: {}", kernel.image.display()));
            let initramfs = pack(&kernel, &programs)?;
            let deadline = Instant::now() + LIMIT;
            twice(name, || try_kernel(name, &kernel, &initramfs, deadline, arguments.keep))
        });
        match result {
            Ok(outcome) => {
                println!("{outcome}");
                if !outcome.good() {
                    code = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                interrupt::check()?;
                println!("kernel {name}: failed: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
        progress::say(&format!("kernel {name}: {:.0} s", started.elapsed().as_secs_f64()));
    }
    Ok(code)
}

/// Emulated twice over, a host or a guest in it dies at times as it boots: that is tried
/// once more, and told. Whatever comes after booting counts the first time.
fn twice(name: &str, attempt: impl Fn() -> Result<Outcome>) -> Result<Outcome> {
    let first = attempt();
    let reason = match &first {
        Ok(outcome) => match outcome.boot_failure() {
            Some(reason) => reason.to_owned(),
            None => return first,
        },
        Err(error) => format!("{error:#}"),
    };
    interrupt::check()?;
    progress::say(&format!("{name}: once more, because {reason}"));
    attempt()
}

fn try_kernel(
    name: &str,
    kernel: &Kernel,
    initramfs: &[u8],
    deadline: Instant,
    keep: bool,
) -> Result<Outcome> {
    let parent = paths::target().join("lab/vm");
    fs::create_dir_all(&parent)?;
    let mut folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&parent)?;
    folder.disable_cleanup(keep);
    if keep {
        progress::say(&format!("kept: {}", folder.path().display()));
    }
    let mut host = boot::Host::boot(kernel, initramfs, folder.path(), deadline)?;
    let mut outcome = Outcome::default();
    while let Some(line) = host.next_line()? {
        if let Some(step) = outcome.take(&line) {
            progress::say(&format!("{name}: {step}"));
        }
    }
    ensure!(
        outcome.complete(),
        "the host ended early; its console ends with\n{}",
        host.tail("console")
    );
    Ok(outcome)
}

/// What goes into every host.
struct Programs {
    init: PathBuf,
    memtrace: PathBuf,
    qemu: PathBuf,
}

fn pack(kernel: &Kernel, programs: &Programs) -> Result<Vec<u8>> {
    let modules = modules::in_order(&kernel.modules, MODULES)?;
    ensure!(modules.iter().any(|module| module.name == "kvm_amd"), "it has no KVM for AMD");
    let mut root = initramfs::Root::new(&programs.init)?;
    root.modules(&modules);
    root.program(&programs.memtrace, "bin/memtrace")?;
    root.program(Path::new("/sbin/swapon"), "sbin/swapon")?;
    root.program(&programs.qemu, "usr/bin/qemu-system-x86_64")?;
    for name in FIRMWARE {
        let found = FIRMWARE_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        let path = found.into_iter().find(|path| path.is_file());
        let path = path.with_context(|| format!("qemu's {name} is nowhere"))?;
        root.file(&path, &Path::new("usr/share/qemu").join(name))?;
    }
    root.file(&kernel.image, Path::new("guest/vmlinuz"))?;
    root.content(&guest::build(kernel)?, Path::new("guest/initramfs"));
    Ok(root.finish())
}

/// memtrace as `cargo build` makes it, without its debug information: it would only cost
/// the host memory.
fn build_memtrace() -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).args(["build", "--locked", "--package", "memtrace"]);
    progress::run("building memtrace", &mut command, BUILD)?;
    let folder = paths::target().join("lab/vm");
    fs::create_dir_all(&folder)?;
    let stripped = folder.join("memtrace");
    let mut command = Command::new("strip");
    command.arg("-o").arg(&stripped).arg(paths::target().join("debug/memtrace"));
    progress::run("stripping memtrace", &mut command, BUILD)?;
    Ok(stripped)
}

fn find_qemu() -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join("qemu-system-x86_64"))
        .find(|path| path.is_file())
        .context("no qemu-system-x86_64; run the set-up (`cargo xtask setup`)")
}
