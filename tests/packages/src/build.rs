//! The programs of packages: stripped, with their debug symbols apart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::{progress, release};

const SHORT: Duration = Duration::from_secs(60);

/// A program, as it is packaged.
#[derive(Clone, Debug)]
pub struct Stripped {
    pub program: PathBuf,
    pub symbols: PathBuf,
}

/// memtrace, and its helper for libvirt.
#[derive(Clone, Debug)]
pub struct Built {
    pub memtrace: Stripped,
    pub helper: Stripped,
}

/// Builds them, and takes their symbols out.
///
/// # Errors
/// When one doesn't build, or the user interrupts.
pub fn run(folder: &Path) -> Result<Built> {
    let memtrace = split(&release::build()?, folder)?;
    let helper = split(&release::build_helper()?, folder)?;
    Ok(Built { memtrace, helper })
}

fn split(program: &Path, folder: &Path) -> Result<Stripped> {
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
    Ok(Stripped { program: stripped, symbols })
}
