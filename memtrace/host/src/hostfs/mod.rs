//! The host's files: /proc, /sys and cgroupfs. Owns the reading and parsing of them;
//! knows nothing of VMs, rates or the kernel side.
//!
//! Every reader takes a [`HostRoot`], so that tests read a tree in a temporary
//! directory. Parsing is apart from reading: `parse(&str)` never fails hard, a line
//! that it doesn't understand is as good as missing.

pub mod arc;
pub mod backing;
pub mod block;
pub mod cgroup;
pub mod filesystem;
pub mod host;
pub(crate) mod keep;
pub mod list;
pub mod locks;
pub mod meminfo;
pub mod merging;
pub mod numa;
pub mod process;
pub mod psi;
pub mod read;
pub mod swaps;
pub(crate) mod vmstat;

#[cfg(any(test, feature = "fixture"))]
pub mod fake;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use cgroup::mounts::CgroupMounts;
pub use keep::Keeper;

/// Where the host's files are.
#[derive(Clone, Debug)]
pub struct HostRoot {
    pub proc: PathBuf,
    pub sys: PathBuf,
    pub cgroups: CgroupMounts,
}

impl HostRoot {
    /// This machine's own files.
    ///
    /// # Errors
    /// When not even /proc/self/mountinfo can be read: /proc isn't mounted.
    pub fn live() -> io::Result<Self> {
        Self::at(Path::new("/"))
    }

    /// The files of the host whose root directory is seen at `root`: a test's tree, or
    /// the host's root mounted into a container.
    ///
    /// # Errors
    /// When there is no readable table of mounts below `root`.
    pub fn at(root: &Path) -> io::Result<Self> {
        let proc = root.join("proc");
        let cgroups = CgroupMounts::parse(&mounts(&proc)?).below(root);
        Ok(Self { proc, sys: root.join("sys"), cgroups })
    }

    /// /proc/PID.
    pub fn process(&self, pid: u32) -> PathBuf {
        self.proc.join(pid.to_string())
    }
}

/// The table of mounts (proc(5), mountinfo) of the host whose /proc is at `proc`.
///
/// # Errors
/// When it can't be read.
pub fn mounts(proc: &Path) -> io::Result<String> {
    // /proc/self doesn't exist for a reader from another PID namespace; process 1 sees the host's
    // mounts.
    let table = |process: &str| read::text(&proc.join(process).join("mountinfo"), read::LARGE);
    table("self").or_else(|_| table("1"))
}

/// When the kernel was started, to the second (proc(5), /proc/stat). `None`: it doesn't tell.
pub fn boot_time(root: &HostRoot) -> Option<SystemTime> {
    let text = read::text(&root.proc.join("stat"), read::LARGE).ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
