//! One memtrace at a time acts on a host, whatever its state directory: two would take the same
//! shortage for their own and reclaim it twice.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use memtrace_host::hostfs::{HostRoot, locks};
use memtrace_store::journal::Lock;

/// Where only root can make or open it. The unit keeps this directory over restarts.
pub(crate) const LOCK: &str = "/run/memtrace/enforce.lock";

/// Whether this process acts on VMs, and the lock that it needs for that.
#[derive(Debug)]
pub(super) struct Acting {
    root: HostRoot,
    path: PathBuf,
    lock: Option<Lock>,
}

impl Acting {
    /// Not yet. `path`: the lock's file.
    pub(super) fn not_yet(root: HostRoot, path: &Path) -> Self {
        Self { root, path: path.to_owned(), lock: None }
    }

    /// Takes the lock to act, gives it up to observe.
    ///
    /// # Errors
    /// When another process acts, or there can be no lock file.
    pub(super) fn set(&mut self, acts: bool) -> Result<()> {
        if !acts {
            self.lock = None;
        } else if self.lock.is_none() {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)
                    .with_context(|| format!("cannot make {}", directory.display()))?;
            }
            let lock = Lock::take(&self.path).context("cannot act on VMs")?;
            // Of two that begin at once, at least one sees the other: both have their locks by now.
            self.look_elsewhere().context("cannot act on VMs")?;
            self.lock = Some(lock);
        }
        Ok(())
    }

    /// Another mount namespace, as a container has, has another file at the path; a file that was
    /// removed is none at all.
    ///
    /// # Errors
    /// When a process holds one of these, or that can't be known.
    fn look_elsewhere(&self) -> Result<()> {
        let holders = locks::holders(&self.root, &self.path).context("cannot read /proc/locks")?;
        match holders.first() {
            None => Ok(()),
            Some(pid) => bail!(
                "another memtrace is running: process {pid} holds {} of its own, of another mount \
                 namespace or removed",
                self.path.display()
            ),
        }
    }

    /// Takes the lock again if somebody has removed its file, which lets another process act.
    ///
    /// # Errors
    /// When another process acts meanwhile; this one must not any more.
    pub(super) fn hold(&mut self) -> Result<()> {
        match &self.lock {
            Some(lock) if !lock.is_at(&self.path) => {
                self.lock = None;
                self.set(true)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_yet(path: &Path) -> Acting {
        Acting::not_yet(HostRoot::live().unwrap(), path)
    }

    #[test]
    fn only_one_process_acts_until_it_observes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/enforce.lock");
        let (mut first, mut second) = (not_yet(&path), not_yet(&path));
        second.set(false).unwrap();
        first.set(true).unwrap();
        first.set(true).unwrap();
        let error = format!("{:#}", second.set(true).unwrap_err());
        let own = format!("process {} holds {}", std::process::id(), path.display());
        assert!(error.contains(&own), "{error}");
        first.set(false).unwrap();
        second.set(true).unwrap();
    }

    #[test]
    fn a_removed_lock_is_taken_again_or_lost_to_who_was_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("enforce.lock");
        let (mut first, mut second) = (not_yet(&path), not_yet(&path));
        first.set(true).unwrap();
        fs::remove_file(&path).unwrap();
        first.hold().unwrap();
        second.set(true).unwrap_err();
        fs::remove_file(&path).unwrap();
        second.set(true).unwrap();
        first.hold().unwrap_err();
        first.hold().unwrap();
        second.hold().unwrap();
        second.set(false).unwrap();
        first.set(true).unwrap();
    }
}
