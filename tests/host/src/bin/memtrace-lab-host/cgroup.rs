//! A pool for guests or tests, and a cgroup in it for each guest that is to have its own. Version
//! 2.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use memtrace_lab_host::scenario::Scenario;

use crate::wait;

const ROOT: &str = "/sys/fs/cgroup";
/// The dead may take a moment to leave.
const EMPTY: Duration = Duration::from_secs(20);

/// Cgroups that were made. They are removed when this is dropped.
pub struct Groups {
    made: Vec<PathBuf>,
}

/// The cgroup that all of a scenario's guests are in.
pub fn parent() -> PathBuf {
    Path::new(ROOT).join("lab")
}

/// The cgroup of a guest: a group in the parent, or the root.
pub fn of(group: Option<&str>) -> PathBuf {
    group.map_or_else(|| PathBuf::from(ROOT), |name| parent().join(name))
}

/// Has the root's children have limits, as systemd does.
///
/// # Errors
/// When the kernel refuses.
pub fn delegate() -> Result<()> {
    write(&Path::new(ROOT).join("cgroup.subtree_control"), "+memory")
}

impl Groups {
    /// Makes the scenario's cgroups with their limits.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make(scenario: &Scenario) -> Result<Self> {
        let mut groups = Self::pool(parent(), scenario.parent)?;
        for group in scenario.groups {
            groups.add(of(Some(group.name)), group.limits)?;
        }
        Ok(groups)
    }

    /// Makes a cgroup whose children have limits too. Its own are in MiB.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn pool(folder: PathBuf, limits: &[(&str, u32)]) -> Result<Self> {
        let mut groups = Self { made: Vec::new() };
        delegate()?;
        let children = folder.join("cgroup.subtree_control");
        groups.add(folder, limits)?;
        write(&children, "+memory")?;
        Ok(groups)
    }

    fn add(&mut self, folder: PathBuf, limits: &[(&str, u32)]) -> Result<()> {
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        self.made.push(folder.clone());
        for (file, mib) in limits {
            write(&folder.join(file), &(u64::from(*mib) << 20).to_string())?;
        }
        Ok(())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            let gone = wait::until("an empty cgroup", EMPTY, || Ok(fs::remove_dir(folder).ok()));
            if let Err(error) = gone {
                eprintln!("host: {}: {error:#}", folder.display());
            }
        }
    }
}

/// Runs `start` inside a guest's cgroup, so that what it starts is born there and every
/// page of it is charged there.
///
/// # Errors
/// When the kernel refuses, or `start` fails.
pub fn within<T>(group: Option<&str>, start: impl FnOnce() -> Result<T>) -> Result<T> {
    write(&of(group).join("cgroup.procs"), "0")?;
    let started = start();
    write(&Path::new(ROOT).join("cgroup.procs"), "0")?;
    started
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text} to {}", path.display()))
}
