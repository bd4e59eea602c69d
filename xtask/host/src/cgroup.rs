//! The pool, a cgroup with a limit, and a cgroup in it for each guest. Version 2.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// The pool.
pub fn pool() -> PathBuf {
    Path::new(ROOT).join("pool")
}

/// Makes the pool with its limit.
///
/// # Errors
/// When the kernel refuses.
pub fn make_pool(limit_mib: u64) -> Result<()> {
    write(&Path::new(ROOT).join("cgroup.subtree_control"), "+memory")?;
    let pool = pool();
    fs::create_dir(&pool).with_context(|| format!("make {}", pool.display()))?;
    write(&pool.join("memory.max"), &(limit_mib << 20).to_string())?;
    write(&pool.join("cgroup.subtree_control"), "+memory")
}

/// Runs `start` inside the pool's cgroup of this name, so that what it starts is born there
/// and every page of it is charged there.
///
/// # Errors
/// When the kernel refuses, or `start` fails.
pub fn within<T>(name: &str, start: impl FnOnce() -> Result<T>) -> Result<T> {
    let cgroup = pool().join(name);
    fs::create_dir_all(&cgroup)?;
    write(&cgroup.join("cgroup.procs"), "0")?;
    let started = start();
    write(&Path::new(ROOT).join("cgroup.procs"), "0")?;
    started
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text} to {}", path.display()))
}
