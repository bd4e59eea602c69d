//! A whole system instead of this program: its disk becomes the root, and its systemd PID 1.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, mount, mount_move};

use crate::{prepare, wait};

/// How the kernel's command line names the disk.
const ROOT: &str = "memtrace.root=";
const NEW: &str = "/new";
const INIT: &str = "/lib/systemd/systemd";
/// A virtual disk is there at once, or not at all.
const LIMIT: Duration = Duration::from_secs(30);

/// The disk of the system that is wanted, if one is.
pub fn wanted(line: &str) -> Option<&str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(ROOT))
}

/// Becomes that system. Returns only when it can't.
///
/// # Errors
/// When the disk isn't there or has no systemd.
pub fn enter(disk: &str) -> Result<()> {
    prepare::load_modules()?;
    wait::until(disk, LIMIT, || Ok(Path::new(disk).exists().then_some(())))?;
    std::fs::create_dir(NEW)?;
    mount(disk, NEW, "ext4", MountFlags::empty(), None).with_context(|| format!("mount {disk}"))?;
    // systemd mounts the others anew.
    std::env::set_current_dir(NEW)?;
    mount_move(".", "/").context("move the root")?;
    rustix::process::chroot(".").context("change the root")?;
    std::env::set_current_dir("/")?;
    let why = Command::new(INIT).env_clear().exec();
    bail!("{INIT}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_stands_on_the_command_line() {
        assert_eq!(wanted("quiet memtrace.root=/dev/vdb psi=1"), Some("/dev/vdb"));
        assert_eq!(wanted("quiet memtrace.scenarios=max"), None);
    }
}
