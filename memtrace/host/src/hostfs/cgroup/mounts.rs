//! Where the cgroup hierarchies are mounted: /proc/self/mountinfo, proc(5).

use std::path::{Path, PathBuf};

use crate::hostfs::read::unescape;

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The cgroup that is seen at `point`; `/` unless a container's part is mounted.
    pub root: String,
    pub point: PathBuf,
}

/// The hierarchies that matter for memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupMounts {
    /// Version 1, with the memory controller.
    pub memory: Option<Mount>,
    /// Version 2. It has the memory controller exactly when `memory` is `None`.
    pub unified: Option<Mount>,
}

impl CgroupMounts {
    /// Where there are several mounts of a hierarchy, one of its whole is preferred.
    pub fn parse(mountinfo: &str) -> Self {
        let mut mounts = Self::default();
        for (mount, kind) in mountinfo.lines().filter_map(line) {
            let place = match kind {
                MountKind::Memory => &mut mounts.memory,
                MountKind::Unified => &mut mounts.unified,
            };
            if place.as_ref().is_none_or(|old| old.root != "/" && mount.root == "/") {
                *place = Some(mount);
            }
        }
        mounts
    }

    /// The same mounts, seen from where the host's root is at `root`.
    #[must_use]
    pub fn below(mut self, root: &Path) -> Self {
        for mount in [&mut self.memory, &mut self.unified].into_iter().flatten() {
            mount.point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
        }
        self
    }
}

enum MountKind {
    Memory,
    Unified,
}

fn line(line: &str) -> Option<(Mount, MountKind)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let kind = match after.next()? {
        "cgroup2" => MountKind::Unified,
        "cgroup" if after.nth(1)?.split(',').any(|option| option == "memory") => MountKind::Memory,
        _ => return None,
    };
    Some((Mount { root: unescape(root), point: unescape(point).into() }, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
23 1 0:21 / / rw - overlay overlay rw\n\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn mount(root: &str, point: &str) -> Option<Mount> {
        Some(Mount { root: root.to_owned(), point: point.into() })
    }

    #[test]
    fn hybrid_has_both() {
        let mounts = CgroupMounts::parse(HYBRID);
        assert_eq!(mounts.memory, mount("/", "/sys/fs/cgroup/memory"));
        assert_eq!(mounts.unified, mount("/", "/sys/fs/cgroup/unified"));
    }

    #[test]
    fn version_two_alone() {
        let mounts = CgroupMounts::parse(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(mounts.memory, None);
        assert_eq!(mounts.unified, mount("/", "/sys/fs/cgroup"));
    }

    #[test]
    fn the_whole_hierarchy_is_preferred_to_a_part() {
        let mounts = CgroupMounts::parse(
            "1 0 0:1 /part /a rw - cgroup2 none rw\n2 0 0:1 / /b\\040c rw - cgroup2 none rw\n\
             3 0 0:1 / /d rw - cgroup2 none rw\n",
        );
        assert_eq!(mounts.unified, mount("/", "/b c"));
    }

    #[test]
    fn mount_points_move_below_another_root() {
        let mounts = CgroupMounts::parse(HYBRID).below(Path::new("/host"));
        assert_eq!(mounts.memory, mount("/", "/host/sys/fs/cgroup/memory"));
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "([a-z/0-9 ]{0,9} - cgroup2? .{0,9}\n|.*\n)*") {
            CgroupMounts::parse(&text);
        }
    }
}
