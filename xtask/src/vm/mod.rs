//! `cargo xtask vm KERNEL...`: level 2 of the lab. Each kernel is booted in a VM of its
//! own, with real KVM guests inside (qemu emulates SVM and nested paging, unless the
//! machine's own KVM nests), and memtrace's own binary is tried there against the kernel's
//! counters, in one scenario after the other. Nothing needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::lab::initramfs as guest;
use crate::setup::kernel::Kernel;
use crate::{interrupt, paths, progress};

mod accelerator;
mod apt;
mod attribution;
mod boot;
mod compare;
mod comparison;
mod initramfs;
mod kernels;
mod libraries;
mod modules;
#[path = "../../../memtrace/src/model/quantile.rs"]
mod quantile;
mod report;
#[path = "../../host/src/scenario.rs"]
mod scenario;
#[path = "../../host/src/swap_header.rs"]
mod swap_header;

pub use report::Outcome;

/// No kernel's boot may take longer.
const LIMIT: Duration = Duration::from_secs(12 * 60);
/// One that takes longer than this is told of.
const SLOW: Duration = Duration::from_secs(6 * 60);
/// What a host needs beside what its kernel has built in.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "irqbypass", "kvm", "kvm_amd"];
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
const BUILD: Duration = Duration::from_secs(15 * 60);

#[derive(clap::Args)]
#[command(after_help = scenarios())]
pub struct Arguments {
    /// Kernels such as 6.12, or `newest`
    #[arg(required_unless_present = "all")]
    kernels: Vec<String>,
    /// Every kernel of the matrix
    #[arg(long)]
    all: bool,
    /// Only this scenario, of those below; may be given several times
    #[arg(long = "test", value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    tests: Vec<String>,
    /// Keep each run's files (console, report, initramfs) and say where
    #[arg(long)]
    keep: bool,
    /// Write docs/attribution.md from what comes out
    #[arg(long)]
    write: bool,
}

/// The scenarios' names, the self-test's last.
pub fn names() -> Vec<&'static str> {
    let names = scenario::ALL.iter().map(|scenario| scenario.name);
    names.chain([scenario::SELFTEST]).collect()
}

fn scenarios() -> String {
    let lines = scenario::ALL.iter().map(|scenario| (scenario.name, scenario.about));
    let lines = lines.chain([(scenario::SELFTEST, "memtrace's own self-test")]);
    let lines: String = lines.map(|(name, about)| format!("  {name:<10} {about}\n")).collect();
    format!("Scenarios:\n{lines}")
}

/// Runs them one after the other.
///
/// # Errors
/// When the set-up fails or the user interrupts; a kernel that fails is told of and
/// makes the exit code.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    ensure!(!arguments.write || arguments.tests.is_empty(), "--write wants all scenarios");
    let wanted: Vec<&str> = match arguments.all {
        true => kernels::MATRIX.to_vec(),
        false => arguments.kernels.iter().map(String::as_str).collect(),
    };
    let tests: Vec<&str> = match arguments.tests.is_empty() {
        true => names(),
        false => arguments.tests.iter().map(String::as_str).collect(),
    };
    let programs = Programs::build()?;
    let mut code = ExitCode::SUCCESS;
    let mut outcomes = Vec::new();
    for name in wanted {
        match kernel(name, &programs, &tests, arguments.keep) {
            Ok(outcome) => {
                println!("{outcome}");
                if !outcome.good() {
                    code = ExitCode::FAILURE;
                }
                outcomes.push(outcome);
                // After each: the next may take long, or be interrupted.
                if arguments.write {
                    attribution::write(&outcomes)?;
                }
            }
            Err(error) => {
                interrupt::check()?;
                println!("kernel {name}: failed: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Fetches a kernel unless it is kept.
///
/// # Errors
/// When it can't be had.
pub fn fetch(name: &str) -> Result<()> {
    kernels::get(name).map(drop)
}

/// Runs scenarios on a kernel. What did not come about because the host died or a guest
/// did not boot (emulated twice over, they do at times) is tried once more, and told;
/// whatever comes after booting counts the first time.
///
/// # Errors
/// When there is no such kernel, or a host can't be made of it.
pub fn kernel(name: &str, programs: &Programs, tests: &[&str], keep: bool) -> Result<Outcome> {
    let kernel = kernels::get(name)?;
    progress::say(&format!("kernel {name}: {}", kernel.image.display()));
    let initramfs = pack(&kernel, programs)?;
    let started = Instant::now();
    let attempt = |tests: &[&str]| try_kernel(name, &kernel, &initramfs, tests, keep);
    let mut outcome = attempt(tests)?;
    let open = outcome.open(tests);
    if !open.is_empty() {
        let why = outcome.failed.as_deref().unwrap_or("a guest didn't boot");
        progress::say(&format!("{name}: once more for {}, because {why}", open.join(", ")));
        outcome.merge(attempt(&open)?);
    }
    let elapsed = started.elapsed();
    let slow = if elapsed > SLOW { ", longer than it should" } else { "" };
    progress::say(&format!("kernel {name}: {:.0} s{slow}", elapsed.as_secs_f64()));
    Ok(outcome)
}

fn try_kernel(
    name: &str,
    kernel: &Kernel,
    initramfs: &[u8],
    tests: &[&str],
    keep: bool,
) -> Result<Outcome> {
    let parent = paths::target().join("lab/vm");
    fs::create_dir_all(&parent)?;
    let mut folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&parent)?;
    folder.disable_cleanup(keep);
    if keep {
        progress::say(&format!("kept: {}", folder.path().display()));
    }
    let order = format!("memtrace.scenarios={}", tests.join(","));
    let deadline = Instant::now() + LIMIT;
    let mut host = boot::Host::boot(kernel, initramfs, folder.path(), &order, deadline)?;
    let mut outcome = Outcome::default();
    if let Err(error) = hear(name, &mut host, &mut outcome) {
        interrupt::check()?;
        outcome.failed = Some(format!("{error:#}"));
    }
    Ok(outcome)
}

fn hear(name: &str, host: &mut boot::Host, outcome: &mut Outcome) -> Result<()> {
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

/// What goes into every host.
pub struct Programs {
    init: PathBuf,
    memtrace: PathBuf,
    qemu: PathBuf,
}

impl Programs {
    /// Builds and finds them.
    ///
    /// # Errors
    /// When one doesn't build, or there is no qemu.
    pub fn build() -> Result<Self> {
        Ok(Self {
            qemu: find_qemu()?,
            memtrace: build_memtrace()?,
            init: guest::build_static("memtrace-lab-host")?,
        })
    }
}

fn pack(kernel: &Kernel, programs: &Programs) -> Result<Vec<u8>> {
    let wanted: Vec<&str> = MODULES.iter().chain(OPTIONAL_MODULES).copied().collect();
    let modules = modules::in_order(&kernel.modules, &wanted)?;
    ensure!(modules.iter().any(|module| module.name == "kvm_amd"), "it has no KVM for AMD");
    let mut root = initramfs::Root::new(&programs.init)?;
    root.modules(&modules);
    root.program(&programs.memtrace, "bin/memtrace")?;
    root.program(Path::new("/sbin/swapon"), "sbin/swapon")?;
    root.program(Path::new("/sbin/swapoff"), "sbin/swapoff")?;
    root.program(&programs.qemu, "usr/bin/qemu-system-x86_64")?;
    if let Some(path) = find(TCG, MODULE_FOLDERS) {
        let place = path.strip_prefix("/").unwrap_or(&path).to_string_lossy().into_owned();
        root.program(&path, &place)?;
    }
    for name in FIRMWARE {
        let path = find(name, FIRMWARE_FOLDERS);
        let path = path.with_context(|| format!("qemu's {name} is nowhere"))?;
        root.file(&path, &Path::new("usr/share/qemu").join(name))?;
    }
    root.file(&kernel.image, Path::new("guest/vmlinuz"))?;
    root.content(&guest::build(kernel)?, Path::new("guest/initramfs"));
    Ok(root.finish())
}

fn find(name: &str, folders: &[&str]) -> Option<PathBuf> {
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// memtrace as it is released, without its debug information: it would only cost the host
/// memory.
fn build_memtrace() -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace());
    command.args(["build", "--release", "--locked", "--package", "memtrace"]);
    progress::run("building memtrace for release", &mut command, BUILD)?;
    let folder = paths::target().join("lab/vm");
    fs::create_dir_all(&folder)?;
    let stripped = folder.join("memtrace");
    let mut command = Command::new("strip");
    command.arg("-o").arg(&stripped).arg(paths::target().join("release/memtrace"));
    progress::run("stripping memtrace", &mut command, BUILD)?;
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
