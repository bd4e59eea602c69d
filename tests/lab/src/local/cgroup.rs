//! The memory cgroups: one parent with the limit, one child a guest; version 1 and 2.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The mounted hierarchy that has the memory controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub root: PathBuf,
    pub version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Hierarchy {
    /// Looks at what is mounted.
    ///
    /// # Errors
    /// When no hierarchy has the memory controller.
    pub fn find() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        if let Some(root) = v1_root(&mounts, "memory") {
            return Ok(Self { root, version: Version::V1 });
        }
        for root in mount_points(&mounts, "cgroup2") {
            if has_word(&root.join("cgroup.controllers"), "memory") {
                return Ok(Self { root, version: Version::V2 });
            }
        }
        bail!("no cgroup hierarchy with the memory controller is mounted")
    }

    /// Makes the parent; its children will have the memory controller.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make_parent(&self, path: &Path) -> Result<()> {
        if self.version == Version::V2 {
            enable(&self.root)?;
        }
        make(path)?;
        if self.version == Version::V2 {
            enable(path)?;
        }
        Ok(())
    }

    /// Sets the hard limit of a cgroup.
    ///
    /// # Errors
    /// When the kernel refuses; version 1 does when it can't reclaim that far.
    pub fn set_limit(&self, path: &Path, mib: u32) -> Result<()> {
        let file = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        write(&path.join(file), &(u64::from(mib) << 20).to_string())
    }

    /// Limits a cgroup to its present usage and no swap, so that the next allocation invokes the
    /// OOM killer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn starve(&self, path: &Path) -> Result<()> {
        let (swap, limit) = match self.version {
            // Nothing anonymous is reclaimed then (`get_scan_count` in mm/vmscan.c).
            Version::V1 => ("memory.swappiness", "memory.limit_in_bytes"),
            Version::V2 => ("memory.swap.max", "memory.max"),
        };
        write(&path.join(swap), "0")?;
        let usage = self.usage(path).with_context(|| format!("the use of {}", path.display()))?;
        write(&path.join(limit), &usage.to_string())
    }

    /// What a cgroup uses now, in bytes.
    pub fn usage(&self, path: &Path) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        fs::read_to_string(path.join(file)).ok()?.trim().parse().ok()
    }

    /// The memory cgroup of a process, as a folder.
    ///
    /// # Errors
    /// When the process is gone or in none.
    pub fn of_process(&self, pid: i32) -> Result<PathBuf> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let path = path_in(&text, self.version).context("in no memory cgroup")?;
        Ok(self.root.join(path.trim_start_matches('/')))
    }
}

/// Makes a cgroup unless it is there.
///
/// # Errors
/// When the kernel refuses.
pub fn make(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("make cgroup {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Removes a cgroup that no process is in any more, and those below it: libvirt leaves
/// its own behind when it is killed.
///
/// # Errors
/// When a process still is in one of them.
pub fn remove(path: &Path) -> Result<()> {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path())?;
            }
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove cgroup {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Where version 2 is mounted, with or without controllers.
///
/// # Errors
/// When the mounts can't be read.
pub fn unified() -> Result<Option<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    Ok(mount_points(&mounts, "cgroup2").next())
}

/// Where version 1 has this controller.
///
/// # Errors
/// When the mounts can't be read.
pub fn version_1(controller: &str) -> Result<Option<PathBuf>> {
    Ok(v1_root(&fs::read_to_string("/proc/self/mounts")?, controller))
}

fn enable(path: &Path) -> Result<()> {
    let file = path.join("cgroup.subtree_control");
    if has_word(&file, "memory") { Ok(()) } else { write(&file, "+memory") }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text} to {}", path.display()))
}

fn has_word(path: &Path, word: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.split_whitespace().any(|w| w == word))
}

/// Mount points of a file system type, from /proc/mounts.
fn mount_points<'a>(mounts: &'a str, kind: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    mounts.lines().filter_map(move |line| {
        let mut fields = line.split(' ').skip(1);
        let (point, found) = (fields.next()?, fields.next()?);
        (found == kind).then(|| PathBuf::from(point))
    })
}

fn v1_root(mounts: &str, controller: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields.get(2) == Some(&"cgroup")
            && fields.get(3).is_some_and(|options| options.split(',').any(|o| o == controller))
    })?;
    line.split(' ').nth(1).map(PathBuf::from)
}

/// The path within the memory hierarchy, from /proc/PID/cgroup.
fn path_in(text: &str, version: Version) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let fits = match version {
            Version::V1 => controllers.split(',').any(|c| c == "memory"),
            Version::V2 => controllers.is_empty(),
        };
        fits.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_goes_with_those_below_it() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let parent = dir.path().join("lab.partition");
        fs::create_dir_all(parent.join("qemu-1-noisy.libvirt-qemu/vcpu0"))?;
        fs::create_dir_all(parent.join("qemu-1-noisy.libvirt-qemu/emulator"))?;
        remove(&parent)?;
        assert!(!parent.exists());
        // What is gone already is no error.
        remove(&parent)
    }

    const MOUNTS: &str = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                          cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
                          cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";

    #[test]
    fn version_1_is_found_by_its_controller_and_version_2_by_its_type() {
        assert_eq!(v1_root(MOUNTS, "memory"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(
            v1_root("cgroup2 /sys/fs/cgroup cgroup2 rw,memory_recursiveprot 0 0", "memory"),
            None
        );
        let found: Vec<PathBuf> = mount_points(MOUNTS, "cgroup2").collect();
        assert_eq!(found, [PathBuf::from("/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn the_path_of_a_process_is_taken_from_the_right_hierarchy() {
        let text = "5:devices:/d\n4:cpu,memory:/m/a:b\n0::/u\n";
        assert_eq!(path_in(text, Version::V1), Some("/m/a:b"));
        assert_eq!(path_in(text, Version::V2), Some("/u"));
    }
}
