//! /proc/swaps.

use std::io;

use super::{HostRoot, read};
use memtrace_core::sample::SwapDevice;
use memtrace_core::units::Bytes;

/// # Errors
/// When the file can't be read (ENOENT: a kernel without swap).
pub fn read(root: &HostRoot) -> io::Result<Vec<SwapDevice>> {
    read::text(&root.proc.join("swaps"), read::SMALL).map(|text| parse(&text))
}

/// Lines that make no sense are left out.
pub fn parse(text: &str) -> Vec<SwapDevice> {
    text.lines().skip(1).filter_map(device).collect()
}

fn device(line: &str) -> Option<SwapDevice> {
    // A deleted swap file is `/path\040(deleted)`, so the path is one field always.
    let mut fields = line.split_ascii_whitespace();
    Some(SwapDevice {
        path: read::unescape(fields.next()?),
        kind: fields.next()?.to_owned(),
        size: Bytes::from_kib(fields.next()?.parse().ok()?),
        used: Bytes::from_kib(fields.next()?.parse().ok()?),
        priority: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_files_are_read() {
        let swaps = parse(
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
             /dev/zram0                              partition\t1048572\t\t0\t\t100\n\
             /var/swap\\040of\\040n\\303\\244me\\040(deleted)  file\t\t2097148\t\t1024\t\t-2\n",
        );
        assert_eq!(swaps.len(), 2);
        assert_eq!(swaps[0].kind, "partition");
        assert_eq!(swaps[0].priority, 100);
        assert_eq!(swaps[1].path, "/var/swap of näme (deleted)");
        assert_eq!(swaps[1].used, Bytes::from_kib(1024));
        assert_eq!(swaps[1].priority, -2);
    }

    #[test]
    fn no_swap_is_an_empty_list() {
        assert_eq!(parse("Filename\tType\tSize\tUsed\tPriority\n"), []);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "x\n(.{0,20}[ \t]){0,6}") {
            parse(&text);
        }
    }
}
