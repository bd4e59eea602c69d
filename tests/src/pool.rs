//! A memory cgroup with a limit, on a host with swap. The caller of the tests makes it (`cargo
//! xtask test` does), because only the caller can clean up after Ctrl-C.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::wait;

/// Names the directory of the cgroup. It has a hard limit, and children of it have the
/// memory controller.
pub const VARIABLE: &str = "MEMTRACE_TEST_POOL";

/// Why the tests that need a pool can't run, or the pool.
///
/// # Errors
/// With the reason, in words for the summary.
pub fn find() -> Result<PathBuf> {
    let path = std::env::var_os(VARIABLE).with_context(|| {
        format!("no memory cgroup to press in ({VARIABLE}; cargo xtask test sets it up)")
    })?;
    let swaps = fs::read_to_string("/proc/swaps")?;
    ensure!(swaps.lines().count() > 1, "the host has no swap");
    Ok(path.into())
}

/// A child cgroup of the pool, removed when this is dropped.
pub struct Member {
    path: PathBuf,
}

impl Member {
    /// Makes the cgroup `name` in the pool and moves process `pid` there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(pool: &Path, name: &str, pid: u32) -> Result<Self> {
        let path = pool.join(name);
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        let member = Self { path };
        fs::write(member.path.join("cgroup.procs"), pid.to_string()).context("move the process")?;
        Ok(member)
    }

    /// The cgroup's id: the inode of its directory.
    ///
    /// # Errors
    /// When it is gone.
    pub fn id(&self) -> Result<u64> {
        Ok(std::os::unix::fs::MetadataExt::ino(&fs::metadata(&self.path)?))
    }

    /// Has the kernel reclaim all that it can from the cgroup, in every way that this version of
    /// cgroups offers, on behalf of the caller.
    ///
    /// # Errors
    /// When there is no such way.
    pub fn squeeze(&self) -> Result<()> {
        const WAYS: [(&str, &str); 3] =
            [("memory.reclaim", "1G"), ("memory.high", "0"), ("memory.limit_in_bytes", "1M")];
        let mut squeezed = false;
        for (file, text) in WAYS {
            let path = self.path.join(file);
            if path.exists() {
                // It fails when the cgroup gave less than that, which is fine.
                let _ = fs::write(&path, text);
                squeezed = true;
            }
        }
        ensure!(squeezed, "no way to have {} reclaimed", self.path.display());
        Ok(())
    }

    /// A line of its memory.stat.
    ///
    /// # Errors
    /// When it is gone, or this kernel has no such line.
    pub fn stat(&self, key: &str) -> Result<u64> {
        let text = fs::read_to_string(self.path.join("memory.stat"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.with_context(|| format!("no {key} in memory.stat"))?.parse().context("a number")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Busy until the kernel has removed its last process.
        let removed = wait::until("an empty cgroup", || fs::remove_dir(&self.path).ok());
        if let Err(error) = removed {
            eprintln!("{} stays: {error:#}", self.path.display());
        }
    }
}
