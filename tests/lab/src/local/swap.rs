//! The bounded swap file.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

/// Disk space that must stay free beside the swap file, in MiB.
const SPARE_MIB: u64 = 1024;

/// Makes the file and swaps to it.
///
/// # Errors
/// When the disk is too full or the file system takes no swap file.
pub fn on(path: &Path, mib: u32) -> Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    check_space(&file, mib)?;
    fallocate(&file, FallocateFlags::empty(), 0, u64::from(mib) << 20)
        .context("this file system takes no swap file")?;
    run(Command::new("mkswap").arg("--quiet").arg(path))?;
    run(Command::new("swapon").arg(path))
}

/// Stops swapping to the file and removes it.
///
/// # Errors
/// When the kernel doesn't let go of it.
pub fn off(path: &Path) -> Result<()> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    if is_active(&swaps, path) {
        run(Command::new("swapoff").arg(path))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn check_space(file: &File, mib: u32) -> Result<()> {
    let disk = fstatvfs(file)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    ensure!(
        free >= u64::from(mib).saturating_add(SPARE_MIB),
        "only {free} MiB of disk are free, too few for a swap file of {mib} MiB"
    );
    Ok(())
}

fn is_active(swaps: &str, path: &Path) -> bool {
    swaps.lines().any(|line| line.split_whitespace().next() == path.to_str())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_file_counts_as_active() {
        let swaps = "Filename Type Size Used Priority\n/var/tmp/lab/swap file 1048572 0 -2\n";
        assert!(is_active(swaps, Path::new("/var/tmp/lab/swap")));
        assert!(!is_active(swaps, Path::new("/var/tmp/lab/swap2")));
    }
}
