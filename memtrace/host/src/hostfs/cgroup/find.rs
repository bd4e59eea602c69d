//! Finds the memory cgroup that a process is charged to.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::membership::Membership;
use super::mounts::Mount;
use super::{Version, upwards};
use crate::hostfs::{HostRoot, read};

/// Deepest cgroup that is looked at: the limits of each level are read in each sample, and users
/// may nest their own as deep as a path is long. Pods in clusters within clusters have half of
/// that.
const DEEPEST: usize = 32;

/// The cgroup that a process is charged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryCgroup {
    pub version: Version,
    /// Path below the root of its hierarchy; `/` is the root cgroup.
    pub path: String,
    pub directory: PathBuf,
    /// Where its hierarchy is mounted.
    pub top: PathBuf,
    /// The kernel's id of the cgroup, which is the inode number of its directory
    /// (`cgroup_ino`, kernel/cgroup; on 64 bit since 5.5).
    pub id: Option<u64>,
    /// memory.pressure of the cgroup, or of the one in version 2 that the process is in.
    pub pressure: Option<PathBuf>,
}

impl MemoryCgroup {
    /// The root cgroup has no counters of its own.
    pub fn is_root(&self) -> bool {
        self.path == "/"
    }
}

/// # Errors
/// A message for the operator: no memory controller, the process is gone, or its cgroup is
/// outside of the cgroups mounted here.
pub fn find(root: &HostRoot, pid: u32) -> Result<MemoryCgroup, String> {
    let path = root.process(pid).join("cgroup");
    let text =
        read::text(&path, read::SMALL).map_err(|error| format!("/proc/{pid}/cgroup: {error}"))?;
    let membership = Membership::parse(&text);
    let unified = root.cgroups.unified.as_ref().zip(membership.unified.as_deref());
    match (&root.cgroups.memory, membership.memory.as_deref()) {
        (Some(mount), Some(path)) => {
            let directory = locate(mount, path)?;
            let pressure = unified
                .filter(|(_, path)| *path != "/")
                .and_then(|(mount, path)| locate(mount, path).ok())
                .map(|directory| directory.join("memory.pressure"));
            Ok(found(Version::V1, directory, mount, path.to_owned(), pressure))
        }
        _ => {
            let (mount, path) = unified.ok_or("no memory controller is mounted")?;
            in_unified(mount, path)
        }
    }
}

/// In version 2 memory is charged to the nearest ancestor that has the controller:
/// libvirt keeps a VM's threads in groups below it that have not.
fn in_unified(mount: &Mount, path: &str) -> Result<MemoryCgroup, String> {
    let leaf = locate(mount, path)?;
    for directory in upwards(&leaf, &mount.point) {
        match std::fs::metadata(directory.join(Version::V2.usage_file())) {
            Ok(_) => {
                let below = directory.strip_prefix(&mount.point).unwrap_or(Path::new(""));
                let whole = Path::new(&mount.root).join(below);
                let pressure = Some(directory.join("memory.pressure"));
                let path = whole.to_string_lossy().into_owned();
                return Ok(found(Version::V2, directory, mount, path, pressure));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(format!("{path}: {error}"));
            }
            Err(_) => {}
        }
    }
    // The root cgroup has no memory.current.
    if mount.root == "/" && mount.point.is_dir() {
        return Ok(found(Version::V2, mount.point.clone(), mount, "/".to_owned(), None));
    }
    Err(format!("{path}: the memory controller isn't enabled for it"))
}

pub(super) fn found(
    version: Version,
    directory: PathBuf,
    mount: &Mount,
    path: String,
    pressure: Option<PathBuf>,
) -> MemoryCgroup {
    let id = std::fs::metadata(&directory).ok().map(|metadata| metadata.ino());
    let path = if path.is_empty() { "/".to_owned() } else { path };
    MemoryCgroup { version, path, directory, top: mount.point.clone(), id, pressure }
}

/// The directory of the cgroup `path`, for a mount that may show a part of the hierarchy.
///
/// # Errors
/// A message for the operator: it is elsewhere, or too deep.
pub(super) fn locate(mount: &Mount, path: &str) -> Result<PathBuf, String> {
    let inside = Path::new(path)
        .strip_prefix(&mount.root)
        .map_err(|_| format!("{path}: outside of the cgroups that are mounted here"))?;
    // `/../x` is how a cgroup outside of the reader's namespace is shown.
    if inside.components().any(|component| component == Component::ParentDir) {
        return Err(format!("{path}: outside of this cgroup namespace"));
    }
    if inside.components().count() > DEEPEST {
        return Err(format!("the cgroup is more than {DEEPEST} levels deep, and isn't looked at"));
    }
    Ok(mount.point.join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_hierarchy_is_mounted() {
        let mount = Mount { root: "/docker/1".to_owned(), point: "/sys/fs/cgroup".into() };
        assert_eq!(locate(&mount, "/docker/1/vm"), Ok("/sys/fs/cgroup/vm".into()));
        assert!(locate(&mount, "/docker/2/vm").is_err());
        assert!(locate(&mount, "/docker/12").is_err());
    }

    #[test]
    fn a_cgroup_is_looked_at_to_some_depth() {
        let mount = Mount { root: "/".to_owned(), point: "/sys/fs/cgroup".into() };
        assert!(locate(&mount, &"/a".repeat(DEEPEST)).is_ok());
        assert!(locate(&mount, &"/a".repeat(DEEPEST + 1)).unwrap_err().contains("32 levels deep"));
    }

    #[test]
    fn another_namespace_is_out_of_reach() {
        let mount = Mount { root: "/".to_owned(), point: "/sys/fs/cgroup".into() };
        assert!(locate(&mount, "/../../machine/vm").unwrap_err().contains("namespace"));
    }
}
