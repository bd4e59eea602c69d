//! What has to be there before anything can be tried: mounts, modules, swap.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use crate::child;

/// Where the initramfs keeps the modules, named in the order to load them.
const MODULES: &str = "/modules";

/// Mounts what a host has mounted. Tracefs isn't among it: memtrace must do without.
///
/// # Errors
/// When the kernel lacks a file system.
pub fn mount_all() -> Result<()> {
    for (kind, folder) in [
        ("devtmpfs", "/dev"),
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("cgroup2", "/sys/fs/cgroup"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
    ] {
        mount(kind, folder, kind, MountFlags::empty(), None)
            .with_context(|| format!("mount {folder}"))?;
    }
    Ok(())
}

/// Loads the modules in the order of their names.
///
/// # Errors
/// When one can't be loaded.
pub fn load_modules() -> Result<()> {
    let mut modules: Vec<PathBuf> =
        fs::read_dir(MODULES)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    modules.sort();
    for path in modules {
        let file = File::open(&path)?;
        match rustix::system::finit_module(&file, c"", 0) {
            // Some kernels have it built in.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("load {}", path.display())),
        }
    }
    Ok(())
}

/// The running kernel's release.
///
/// # Errors
/// When /proc can't be read.
pub fn kernel() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

/// Swaps to the disk that the lab made for it.
///
/// # Errors
/// When the kernel doesn't take it.
pub fn swap_on() -> Result<()> {
    let outcome = child::run("/sbin/swapon", &["/dev/vda"], Duration::from_secs(30))?;
    ensure!(outcome.code == Some(0), "swapon: {}", outcome.errors);
    Ok(())
}
