//! What stands in the way of real VMs on this machine itself. Where something does, they
//! can still run in a host of their own (level 2).

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::cgroup::Hierarchy;
use super::plan::Manager;
use crate::setup::kernel;

/// `memtrace doctor`'s exit code for a kernel or permissions that it can't work with.
const UNUSABLE: i32 = 2;

/// Why there can be no lab on this machine, if so.
pub fn to_lab(manager: Manager) -> Option<String> {
    let tools: &[&str] = match manager {
        Manager::Plain => &["qemu-system-x86_64", "mkswap", "swapon"],
        Manager::Libvirt => &["qemu-system-x86_64", "mkswap", "swapon", "virsh", "libvirtd"],
    };
    if let Some(reason) = to_privileges() {
        return Some(reason);
    }
    if let Err(why) = kernel::find() {
        return Some(format!("{why:#}"));
    }
    let absent = tools.iter().find(|tool| !on_path(tool))?;
    Some(format!("{absent} isn't installed"))
}

/// The reason why this process can't set up the lab; checked before anything is set up.
pub fn to_privileges() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("the lab needs root".to_owned());
    }
    Hierarchy::find().err().map(|why| format!("{why:#}"))
}

/// Why memtrace can't work here, if it can't.
///
/// # Errors
/// When it can't be run at all.
pub fn to_memtrace(memtrace: &Path) -> Result<Option<String>> {
    let doctor = Command::new(memtrace).arg("doctor").stdout(Stdio::null()).status()?;
    let unusable = doctor.code() == Some(UNUSABLE);
    Ok(unusable.then(|| "memtrace doctor: this kernel lets no eBPF program run".to_owned()))
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}
