//! libvirt's resource partition: the cgroup that its domains lie in, and whose limit is
//! the pool. Where systemd runs, libvirt has it made as a slice; elsewhere the partition
//! must exist beforehand, in each hierarchy, with `.partition` behind its name
//! (libvirt, docs/cgroups.rst).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cgroup;

/// As the domain's XML names it.
pub const NAME: &str = "/memtracelab";
const FOLDER: &str = "memtracelab.partition";
/// systemd says so itself (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// The folders to make, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    pub folders: Vec<PathBuf>,
}

/// Finds out what has to be made.
///
/// # Errors
/// When the mounts can't be read.
pub fn plan() -> Result<Partition> {
    if Path::new(SYSTEMD).is_dir() {
        return Ok(Partition::default());
    }
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    Ok(Partition { folders: roots(&mounts).map(|root| root.join(FOLDER)).collect() })
}

/// Makes it.
///
/// # Errors
/// When the kernel refuses.
pub fn make(partition: &Partition) -> Result<()> {
    for folder in &partition.folders {
        cgroup::make(folder)?;
        // A new cpuset of version 1 is empty, and nothing can run in it.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let Some(parent) = folder.parent() else { continue };
            if let Ok(value) = fs::read_to_string(parent.join(file)) {
                fs::write(folder.join(file), value.trim())
                    .with_context(|| format!("write {file} in {}", folder.display()))?;
            }
        }
    }
    Ok(())
}

/// The partition's folder in the memory hierarchy, above a domain's cgroup.
///
/// # Errors
/// When the domain doesn't lie in the partition.
pub fn parent(root: &Path, cgroup: &Path) -> Result<PathBuf> {
    let name = NAME.trim_start_matches('/');
    cgroup
        .ancestors()
        .take_while(|path| *path != root)
        .find(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)))
        .map(Path::to_path_buf)
        .with_context(|| format!("libvirt put the domain elsewhere: {}", cgroup.display()))
}

fn roots(mounts: &str) -> impl Iterator<Item = PathBuf> + '_ {
    mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let kind = fields.get(2)?;
        matches!(*kind, "cgroup" | "cgroup2").then(|| fields.get(1).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hierarchy_has_a_root() {
        let mounts = "cgroup /c/cpu cgroup rw,cpu 0 0\nproc /proc proc rw 0 0\n\
                      cgroup2 /c/unified cgroup2 rw 0 0\n";
        let found: Vec<PathBuf> = roots(mounts).collect();
        assert_eq!(found, [PathBuf::from("/c/cpu"), PathBuf::from("/c/unified")]);
    }

    #[test]
    fn the_partition_is_found_above_a_domain() {
        let root = Path::new("/c");
        let found = parent(root, Path::new("/c/memtracelab.slice/machine-a.scope")).unwrap();
        assert_eq!(found, Path::new("/c/memtracelab.slice"));
        assert!(parent(root, Path::new("/c/machine/qemu-1")).is_err());
    }
}
