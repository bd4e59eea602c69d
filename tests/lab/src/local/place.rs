//! Where a running lab lives: one folder on a real file system, the same for every clone
//! of the repository, because cgroups, swap and guests are the machine's. And the lock
//! that lets one task at a time change the lab.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// Not below the target directory: libvirt's qemu runs as another user, who may not be
/// able to reach that.
const FOLDER: &str = "/var/tmp/memtrace-lab";

/// The folder, with its lock held.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the folder unless it is there, and takes the lock.
    ///
    /// # Errors
    /// When another process holds the lock, or the folder is not ours.
    pub fn take() -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "the lab needs root (cgroups, swap)");
        let folder = PathBuf::from(FOLDER);
        match DirBuilder::new().mode(0o755).create(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("create {FOLDER}"));
            }
            _ => {}
        }
        // The folder above is world-writable: this one could be a link.
        let metadata = fs::symlink_metadata(&folder)?;
        ensure!(metadata.is_dir() && metadata.uid() == 0, "{FOLDER} isn't ours");
        let lock = File::create(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => bail!("another xtask is using the lab"),
            Err(fs::TryLockError::Error(error)) => Err(error).context("lock the lab"),
        }
    }

    /// A path in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes everything in the folder but the lock.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() == "lock" {
                continue;
            }
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            }
            .with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }
}
