//! What has to be there before anything can be tried: mounts, modules, swap.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

/// Where the initramfs keeps the modules, named in the order to load them.
const MODULES: &str = "/modules";
const WANTED: &str = "memtrace.scenarios=";

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

/// The scenarios that the lab wants, from the kernel's command line.
///
/// # Errors
/// When /proc can't be read.
pub fn wanted() -> Result<Vec<String>> {
    Ok(named(&fs::read_to_string("/proc/cmdline")?))
}

fn named(line: &str) -> Vec<String> {
    let names = line.split_whitespace().find_map(|word| word.strip_prefix(WANTED));
    names.unwrap_or_default().split(',').map(str::to_owned).collect()
}

/// Loads the modules in the order of their names; those that can't be had, and why.
///
/// # Errors
/// When one that is needed can't be loaded.
pub fn load_modules() -> Result<Vec<String>> {
    let mut modules: Vec<PathBuf> =
        fs::read_dir(MODULES)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    modules.sort();
    let mut missing = Vec::new();
    for path in modules {
        let file = File::open(&path)?;
        match rustix::system::finit_module(&file, c"", 0) {
            // Some kernels have it built in.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => missing.push(format!("{}: {error}", path.display())),
        }
    }
    ensure!(Path::new("/dev/kvm").exists(), "no KVM: {}", missing.join("; "));
    Ok(missing)
}

/// Has the kernel account the waits of whatever is started from now on.
///
/// # Errors
/// When it refuses. Before 5.14 it does so anyway.
pub fn account_delays() -> Result<()> {
    let path = Path::new("/proc/sys/kernel/task_delayacct");
    if path.exists() {
        fs::write(path, "1").context("account delays")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_scenarios_stand_on_the_command_line() {
        assert_eq!(named("console=ttyS0 memtrace.scenarios=max,oom quiet"), ["max", "oom"]);
    }
}
