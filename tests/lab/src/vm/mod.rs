//! Level 2 of the lab: a kernel of the matrix on a host of its own. Each kernel is booted in a VM
//! of its own, with real KVM guests inside (qemu emulates SVM and nested paging, unless the
//! machine's own KVM nests), and memtrace's own binary is tried there against the kernel's
//! counters, in one scenario after the other. Nothing needs root.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memtrace_lab_host::scenario;

use crate::setup::kernel::Kernel;
use crate::{interrupt, paths, progress};

mod accelerator;
mod apt;
mod architecture;
mod arm64;
mod boot;
mod compare;
mod comparison;
mod initramfs;
mod kernels;
mod libraries;
mod modules;
mod programs;
pub mod report;

pub use apt::Suite;
pub(crate) use apt::source_of;
pub use architecture::Architecture;
pub use boot::{CPUS, Console, Host, Wiring};
pub use kernels::{ARM64, MATRIX};
pub use memtrace_lab_host::scenario::PROGRAMS;
pub use programs::{Programs, find_qemu, portable_qemu};
pub use report::{KernelReport, sentence};

/// No kernel's boot may take longer. On a machine that others use it needs twice its time.
const LIMIT: Duration = Duration::from_secs(25 * 60);
/// Boots of an emulated host. One of some hundred died with a corrupted kernel stack (7.2, QEMU
/// 7.2); of what isn't known, so each death stays in the report.
pub const ATTEMPTS: u32 = 3;
/// What a system is told: where its disk is, and that nobody logs in.
const SYSTEM: &str = "memtrace.root=/dev/vdb systemd.mask=serial-getty@ttyS0.service \
                      systemd.mask=getty@tty1.service systemd.show_status=false";
/// A run that takes longer than this is reported.
const SLOW: Duration = Duration::from_secs(6 * 60);

/// The scenarios' names, and last of what runs beside them.
pub fn names() -> Vec<&'static str> {
    let names = scenario::ALL.iter().map(|scenario| scenario.name);
    names.chain(beside()).collect()
}

/// Those beside the scenarios.
pub fn beside() -> Vec<&'static str> {
    scenario::BESIDE.iter().map(|(name, _)| *name).collect()
}

/// Fetches a kernel unless it is kept.
///
/// # Errors
/// When it can't be had.
pub fn fetch(name: &str) -> Result<()> {
    kernels::get(name, Architecture::Amd64).map(drop)
}

/// Runs scenarios on a kernel. What did not come about because the host died or a guest did not
/// boot (emulated twice over, they do at times) is tried again, and told; whatever comes after
/// booting counts the first time.
///
/// # Errors
/// When there is no such kernel, or a host can't be made of it.
pub fn kernel(name: &str, programs: &Programs, tests: &[&str], keep: bool) -> Result<KernelReport> {
    let kernel = kernels::get(name, programs.architecture())?;
    progress::say(&format!("kernel {name}: {}", kernel.image.display()));
    let initramfs = programs::pack(&kernel, programs)?;
    let started = Instant::now();
    let architecture = programs.architecture();
    let attempt =
        |tests: &[&str]| try_kernel((name, architecture), &kernel, &initramfs, tests, keep);
    let mut outcome = attempt(tests)?;
    for _ in 1..ATTEMPTS {
        let open = outcome.open(tests);
        if open.is_empty() {
            break;
        }
        let why = outcome.failed.as_deref().unwrap_or("a guest didn't boot, or got lost");
        progress::say(&format!("{name}: again for {}, because {why}", open.join(", ")));
        outcome.merge(attempt(&open)?);
    }
    let elapsed = started.elapsed();
    let slow = if elapsed > SLOW { ", longer than it should" } else { "" };
    progress::say(&format!("kernel {name}: {:.0} s{slow}", elapsed.as_secs_f64()));
    Ok(outcome)
}

fn try_kernel(
    (name, architecture): (&str, Architecture),
    kernel: &Kernel,
    initramfs: &[u8],
    tests: &[&str],
    keep: bool,
) -> Result<KernelReport> {
    let mut folder = run_folder(name)?;
    folder.disable_cleanup(keep);
    if keep {
        progress::say(&format!("kept: {}", folder.path().display()));
    }
    let order = format!("memtrace.scenarios={}", tests.join(","));
    let deadline = Instant::now() + LIMIT;
    let console = Console::File;
    let wiring = Wiring { architecture, console, order: &order, disk: None, cpus: CPUS };
    let mut host = Host::boot(kernel, initramfs, folder.path(), wiring, deadline)?;
    let mut outcome = KernelReport::default();
    if let Err(error) = hear(name, &mut host, &mut outcome) {
        interrupt::check()?;
        outcome.failed = Some(format!("{error:#}"));
    }
    Ok(outcome)
}

fn hear(name: &str, host: &mut Host, outcome: &mut KernelReport) -> Result<()> {
    while let Some(line) = host.next_line()? {
        if let Some(step) = outcome.take(&line) {
            progress::say(&format!("{name}: {step}"));
        }
    }
    if !outcome.complete() {
        bail!("the host ended early; its console ends with\n{}", host.tail("console"));
    }
    Ok(())
}

/// Boots a host whose PID 1 gets another order than scenarios. The files of its run are in
/// a folder that goes when the second part is dropped.
///
/// # Errors
/// When the kernel can't be had, or qemu can't start.
pub fn boot(
    name: &str,
    programs: &Programs,
    wiring: Wiring<'_>,
    limit: Duration,
) -> Result<(Host, tempfile::TempDir)> {
    let kernel = kernels::get(name, programs.architecture())?;
    let initramfs = programs::pack(&kernel, programs)?;
    let folder = run_folder(name)?;
    let deadline = Instant::now() + limit;
    let host = Host::boot(&kernel, &initramfs, folder.path(), wiring, deadline)?;
    Ok((host, folder))
}

/// Boots a whole system: `image` is its disk, with an ext4 file system on it, and its systemd is
/// PID 1. What it writes to its second serial port are the host's lines.
///
/// # Errors
/// When the kernel can't be had, or qemu can't start.
pub fn boot_system(name: &str, image: &Path, limit: Duration) -> Result<(Host, tempfile::TempDir)> {
    let architecture = Architecture::Amd64;
    let kernel = kernels::get(name, architecture)?;
    let initramfs = programs::pack_system(&kernel)?;
    let folder = run_folder(name)?;
    // qemu 7.2 emulates badly how a kernel patches itself while another CPU runs.
    let console = Console::File;
    let wiring = Wiring { architecture, console, order: SYSTEM, disk: Some(image), cpus: 1 };
    let host = Host::boot(&kernel, &initramfs, folder.path(), wiring, Instant::now() + limit)?;
    Ok((host, folder))
}

/// A folder for what belongs to one run.
fn run_folder(name: &str) -> Result<tempfile::TempDir> {
    let parent = paths::target().join("lab/vm");
    fs::create_dir_all(&parent)?;
    Ok(tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&parent)?)
}
