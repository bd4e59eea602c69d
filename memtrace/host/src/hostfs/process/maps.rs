//! The files that a process maps shared and writable: guest memory of a memfd or of
//! /dev/shm is among them. Format: Documentation/filesystems/proc.rst in the kernel's source.

use std::collections::BTreeMap;
use std::io;

use crate::hostfs::{HostRoot, read};

/// Maximum number of files per process, the largest first. A machine seldom has more
/// memory devices.
pub(crate) const MAX_FILES: usize = 64;

/// A file as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inode {
    pub number: u64,
    /// `major << 20 | minor`, the kernel's own form of a device number.
    pub device: u32,
}

/// Files that process `pid` maps shared and writable, the largest mapping first; at most
/// [`MAX_FILES`].
///
/// # Errors
/// When the process is gone, or is another user's and CAP_SYS_PTRACE is missing; when it has more
/// mappings than are read, as files among the rest may be shared with others.
pub(crate) fn shared(root: &HostRoot, pid: u32) -> io::Result<Vec<Inode>> {
    let bytes = read::bytes(&root.process(pid).join("maps"), read::LARGE)?;
    if bytes.len() >= read::LARGE {
        return Err(io::Error::other("too many mappings"));
    }
    Ok(parse(&read::lossy(bytes)))
}

pub(crate) fn parse(text: &str) -> Vec<Inode> {
    let mut sizes = BTreeMap::<Inode, u64>::new();
    for (inode, size) in text.lines().filter_map(mapping) {
        let total = sizes.entry(inode).or_default();
        *total = total.saturating_add(size);
    }
    let mut files: Vec<_> = sizes.into_iter().collect();
    files.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    files.into_iter().take(MAX_FILES).map(|(inode, _)| inode).collect()
}

/// `7f00-7f40 rw-s 00000000 00:01 1034  /memfd:name (deleted)`: the file and the bytes of
/// it that are mapped. `None` for anything else than a file, shared and writable.
fn mapping(line: &str) -> Option<(Inode, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?.as_bytes();
    if permissions.get(1) != Some(&b'w') || permissions.get(3) != Some(&b's') {
        return None;
    }
    let (major, minor) = fields.nth(1)?.split_once(':')?;
    let number = fields.next()?.parse().ok().filter(|number| *number != 0)?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let device = hex(major)?.checked_mul(1 << 20)?.checked_add(hex(minor)?)?;
    let device = u32::try_from(device).ok()?;
    Some((Inode { number, device }, hex(to)?.checked_sub(hex(from)?)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostfs::fake::FakeHost;

    const MAPS: &str = "\
55d0c0a00000-55d0c0b00000 r-xp 00000000 08:01 1234  /usr/bin/qemu-system-x86_64
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
7f0000200000-7f0000300000 rw-s 00000000 00:01 77  /memfd:small thing (deleted)
7f0010000000-7f0020000000 rw-s 00000000 00:01 1034  /memfd:memory-backend-memfd (deleted)
7f0020000000-7f0020200000 rw-s 00200000 00:01 77  /memfd:small thing (deleted)
7f0030000000-7f0030001000 r--s 00000000 00:01 99  /dev/shm/readers
7f0030002000-7f0030003000 rw-s 00000000 103:02 5  /srv/x\\012y
";

    #[test]
    fn shared_writable_files_are_found_the_largest_first() {
        let inode = |device, number| Inode { number, device };
        assert_eq!(parse(MAPS), [inode(1, 1034), inode(1, 77), inode(0x103 << 20 | 2, 5)]);
    }

    #[test]
    fn no_more_than_the_limit_are_reported() {
        let line = |number| format!("1000-2000 rw-s 0 00:01 {number}\n");
        assert_eq!(parse(&(1..1000).map(line).collect::<String>()).len(), MAX_FILES);
    }

    #[test]
    fn the_files_of_too_many_mappings_are_unknown() {
        let host = FakeHost::unified();
        let line = "1000-2000 rw-s 00000000 00:01 77  /memfd:a\n";
        host.file("proc/7/maps", &line.repeat(1000));
        assert_eq!(shared(&host.root(), 7).unwrap().len(), 1);
        host.file("proc/7/maps", &line.repeat(read::LARGE / line.len() + 1));
        assert!(shared(&host.root(), 7).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_file_says_it_is_read(text in "(([0-9a-f]{0,17}-?[0-9a-f]{0,17}|[rwxsp-]{0,5}|[0-9a-f]{0,9}:?[0-9a-f]{0,9}|.{0,5})[ \n]?){0,40}") {
            prop_assert!(parse(&text).len() <= MAX_FILES);
        }
    }
}
