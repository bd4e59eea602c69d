//! Memory cgroups, version 1, 2 and hybrid: the one a process is charged to, and its counters.
//! Formats: Documentation/admin-guide/cgroup-v2.rst and
//! cgroup-v1/memory.rst.
//!
//! The kernel charges memory and counts events at the cgroup that a process is in. In v1
//! memory.stat has values of that cgroup alone and, as `total_*`, with all below it; the
//! first kind is used, as it is what the kernel side's counters of a cgroup compare with.
//! In v2 there is only the second kind.

pub mod find;
pub mod levels;
pub(crate) mod limits;
pub(crate) mod membership;
pub(crate) mod mounts;
pub(crate) mod sample;
pub mod scope;
pub mod stat;

#[cfg(test)]
mod tests;

pub use find::{MemoryCgroup, find};
pub use sample::{sample, usage};

use std::path::PathBuf;

use super::read;

/// Ids of the processes in a cgroup, at most `limit`. `None` if unreadable.
pub fn processes(directory: &std::path::Path, limit: usize) -> Option<Vec<u32>> {
    let text = read::text(&directory.join("cgroup.procs"), read::SMALL).ok()?;
    Some(text.lines().filter_map(|line| line.trim().parse().ok()).take(limit).collect())
}

/// Which of the two interfaces a cgroup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The file that every memory cgroup of this version has.
    const fn usage_file(self) -> &'static str {
        match self {
            Self::V1 => "memory.usage_in_bytes",
            Self::V2 => "memory.current",
        }
    }
}

/// `directory` and its ancestors up to `top`, both included.
fn upwards(directory: &std::path::Path, top: &std::path::Path) -> Vec<PathBuf> {
    directory
        .ancestors()
        .take_while(|ancestor| ancestor.starts_with(top))
        .map(PathBuf::from)
        .collect()
}
