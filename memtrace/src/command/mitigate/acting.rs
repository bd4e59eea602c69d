//! One memtrace at a time acts on a host, whatever its state directory: two would take the same
//! shortage for their own and reclaim it twice.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use memtrace_store::journal::Lock;

/// Where only root can make or open it. The unit keeps this directory over restarts.
pub(crate) const LOCK: &str = "/run/memtrace/enforce.lock";

/// Whether this process acts on VMs, and the lock that it needs for that.
#[derive(Debug)]
pub(super) struct Acting {
    path: PathBuf,
    lock: Option<Lock>,
}

impl Acting {
    /// Not yet. `path`: the lock's file.
    pub(super) fn not_yet(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None }
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
            self.lock = Some(Lock::take(&self.path).context("cannot act on VMs")?);
        }
        Ok(())
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

    #[test]
    fn only_one_process_acts_until_it_observes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/enforce.lock");
        let (mut first, mut second) = (Acting::not_yet(&path), Acting::not_yet(&path));
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
        let (mut first, mut second) = (Acting::not_yet(&path), Acting::not_yet(&path));
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
