//! Building the eBPF object from source with the pinned pair.
//!
//! One command line for memtrace's build script and for `cargo xtask ebpf`: both give
//! the same bytes from the same sources, whatever directory they lie in. It does what
//! aya-build does, and besides pins the pair and keeps paths out of the object.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::kept::{parse_flat, take};

/// Flags are joined by this in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";
const TARGET: &str = "bpfel-unknown-none";
const PROGRAMS: &str = "memtrace-programs";

/// The pinned pair, as `memtrace-ebpf/toolchain.toml` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What `rustc --version` must print.
    pub rustc: String,
    /// What `bpf-linker --version` must print.
    pub linker: String,
    /// rustup's names to try, the most ordinary one first.
    pub toolchains: Vec<String>,
}

impl Pair {
    /// Reads the pair that the eBPF crate pins.
    ///
    /// # Errors
    /// When the file can't be read or has another shape.
    pub fn read(ebpf_crate: &Path) -> Result<Self> {
        let path = ebpf_crate.join("toolchain.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let pairs = parse_flat(&text).with_context(|| format!("in {}", path.display()))?;
        Ok(Self {
            rustc: take(&pairs, "rustc")?,
            linker: take(&pairs, "linker")?,
            toolchains: vec![take(&pairs, "toolchain")?, take(&pairs, "dated-toolchain")?],
        })
    }
}

/// The pair as found on this machine.
#[derive(Clone, Debug)]
pub struct Tools {
    pub toolchain: String,
    pub linker: PathBuf,
}

/// Looks for the pair; the error says which half is missing.
///
/// # Errors
/// When no toolchain or no linker has the pinned version.
pub fn find_tools(target_dir: &Path, pair: &Pair) -> Result<Tools> {
    let toolchain = find_toolchain(pair)?;
    let Some(linker) = find_linker(target_dir, pair) else {
        bail!("`{}` is neither in {}/tools nor on PATH", pair.linker, target_dir.display());
    };
    Ok(Tools { toolchain, linker })
}

/// The linker with the pinned version: ours, or the one on `PATH`.
pub fn find_linker(target_dir: &Path, pair: &Pair) -> Option<PathBuf> {
    let ours = target_dir.join("tools/bin/bpf-linker");
    [ours, PathBuf::from("bpf-linker")].into_iter().find(|linker| {
        let version = first_line(Command::new(linker).arg("--version"));
        version.as_deref() == Some(pair.linker.as_str())
    })
}

fn find_toolchain(pair: &Pair) -> Result<String> {
    for name in &pair.toolchains {
        if let Some(sysroot) = sysroot(name, &pair.rustc) {
            if sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
                return Ok(name.clone());
            }
            bail!("toolchain {name} lacks the component rust-src");
        }
    }
    bail!("no toolchain of {} is `{}`", pair.toolchains.join(", "), pair.rustc)
}

/// The toolchain's folder, if its rustc has the wanted version.
pub fn sysroot(toolchain: &str, rustc: &str) -> Option<PathBuf> {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(["run", toolchain, "rustc"]).args(arguments);
        first_line(&mut command)
    };
    if run(&["--version"])? != rustc {
        return None;
    }
    run(&["--print", "sysroot"]).map(PathBuf::from)
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

/// Builds the object and returns where cargo left it, inside `target_dir`.
///
/// # Errors
/// When cargo fails; the error holds what it said.
pub fn build(workspace: &Path, tools: &Tools, target_dir: &Path) -> Result<PathBuf> {
    let mut command = command(workspace, tools, target_dir, "build")?;
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(target_dir.join(TARGET).join("release").join(PROGRAMS))
}

/// A cargo call (`build`, `clippy`) on the programs, with the pair and flags that
/// decide the object's bytes.
///
/// # Errors
/// When a folder whose name must stay out of the object can't be found out.
pub fn command(
    workspace: &Path,
    tools: &Tools,
    target_dir: &Path,
    sub_command: &str,
) -> Result<Command> {
    let mut command = Command::new("rustup");
    command
        .current_dir(workspace)
        .args(["run", &tools.toolchain, "cargo", sub_command, "--release", "--locked"])
        .args(["--package", "memtrace-ebpf", "--bin", PROGRAMS, "--features", "programs"])
        .args(["--target", TARGET, "-Z", "build-std=core", "--target-dir"])
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace, &tools.toolchain)?)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &tools.linker);
    // Set by the cargo or clippy that runs us; they name the stable compiler.
    for key in ["CARGO", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(key);
    }
    Ok(command)
}

/// aya-build's flags, and remapping of every folder that a machine chooses, so that the
/// object's line info (and with it the object) is the same everywhere.
fn rustflags(workspace: &Path, toolchain: &str) -> Result<OsString> {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| "x86_64".to_owned());
    let mut flags = OsString::from(format!("--cfg=bpf_target_arch=\"{arch}\""));
    for flag in ["-Cdebuginfo=2", "-Clink-arg=--btf"] {
        flags.push(SEPARATOR);
        flags.push(flag);
    }
    let mut remap = |from: &Path, to: &str| {
        flags.push(SEPARATOR);
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    remap(&workspace.canonicalize()?, "/memtrace");
    for registry in registries()? {
        remap(&registry, "/registry");
    }
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "rustc", "--print", "sysroot"]);
    let sysroot = first_line(&mut command).context("ask rustc for its sysroot")?;
    remap(Path::new(&sysroot), "/rust");
    Ok(flags)
}

/// Where cargo unpacks crates: one folder a registry or mirror.
fn registries() -> Result<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let Ok(entries) = fs::read_dir(home.join("registry/src")) else { return Ok(Vec::new()) };
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}
