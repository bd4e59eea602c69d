//! The file system that a path is on: /proc/self/mountinfo, proc(5).

use std::io;
use std::path::Path;

use super::{HostRoot, mounts, read};

/// The kind of file system at `path` of the host (`ext4`, `zfs`), which need not exist yet.
///
/// # Errors
/// When the table of mounts can't be read, or has no root.
pub fn kind(root: &HostRoot, path: &Path) -> io::Result<String> {
    parse(&mounts(&root.proc)?, path)
        .ok_or_else(|| io::Error::other("no file system is mounted there"))
}

/// Of the deepest mount above `path`, the one that was mounted last.
pub(crate) fn parse(mounts: &str, path: &Path) -> Option<String> {
    let above = mounts.lines().filter_map(line).filter(|(point, _)| path.starts_with(point));
    let depth = |point: &str| Path::new(point).components().count();
    above.max_by_key(|(point, _)| depth(point)).map(|(_, kind)| kind)
}

fn line(line: &str) -> Option<(String, String)> {
    let (before, after) = line.split_once(" - ")?;
    Some((read::unescape(before.split(' ').nth(4)?), after.split(' ').next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;

    const MOUNTS: &str = "\
23 1 0:21 / / rw - zfs rpool/ROOT/pve-1 rw\n\
31 23 0:28 / /var rw,relatime shared:9 - ext4 /dev/sda1 rw\n\
32 23 0:29 / /var\\040x rw - tmpfs tmpfs rw\n\
33 31 0:30 / /var rw - xfs /dev/sdb1 rw\n";

    #[test]
    fn the_deepest_and_last_mount_counts() {
        let host = FakeHost::new(MOUNTS);
        let of = |path: &str| kind(&host.root(), Path::new(path)).unwrap();
        assert_eq!(of("/var/swap"), "xfs");
        assert_eq!(of("/srv/swap"), "zfs");
        assert_eq!(of("/variable"), "zfs");
        assert_eq!(of("/var x/swap"), "tmpfs");
        assert!(kind(&FakeHost::unified().root(), Path::new("/var")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "([a-z/0-9 ]{0,9} - ext4 .{0,9}\n|.*\n)*") {
            parse(&text, Path::new("/var"));
        }
    }
}
