//! /proc/meminfo.

use std::io;

use super::{HostRoot, read};
use memtrace_core::sample::Meminfo;
use memtrace_core::units::Bytes;

/// # Errors
/// When the file can't be read, or lacks one of the lines that Linux has had since 3.14.
pub fn read(root: &HostRoot) -> io::Result<Meminfo> {
    let text = read::text(&root.proc.join("meminfo"), read::SMALL)?;
    parse(&text).ok_or_else(|| io::Error::other("meminfo lacks a line that memtrace needs"))
}

/// `None` when a line is missing that every Linux since 3.14 has.
pub fn parse(text: &str) -> Option<Meminfo> {
    let kib = |key| kib(text, key);
    let hugetlb = kib("Hugetlb").or_else(|| {
        // Before 4.20: only the pool of the default size.
        let pages = value(text, "HugePages_Total")?;
        Some(Bytes(kib("Hugepagesize")?.0.saturating_mul(pages)))
    });
    Some(Meminfo {
        total: kib("MemTotal")?,
        free: kib("MemFree")?,
        available: kib("MemAvailable")?,
        buffers: kib("Buffers")?,
        cached: kib("Cached")?,
        swap_total: kib("SwapTotal")?,
        swap_free: kib("SwapFree")?,
        swap_cached: kib("SwapCached")?,
        shmem: kib("Shmem"),
        anon: kib("AnonPages"),
        hugetlb,
        committed: kib("Committed_AS"),
    })
}

/// The number in the line `KEY: N kB` of a file such as meminfo or /proc/PID/status.
pub fn kib(text: &str, key: &str) -> Option<Bytes> {
    value(text, key).map(Bytes::from_kib)
}

/// The first number in the line `KEY: N`.
pub fn value(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX_6_18: &str = "\
MemTotal:       24655580 kB\nMemFree:        20162004 kB\nMemAvailable:   22943012 kB
Buffers:          116588 kB\nCached:          2819384 kB\nSwapCached:            0 kB
AnonPages:       1213640 kB\nShmem:            177464 kB\nSwapTotal:       1048572 kB
SwapFree:        1048000 kB\nCommitted_AS:    3021388 kB\nHugePages_Total:       2
Hugepagesize:       2048 kB\nHugetlb:           5120 kB\n";

    #[test]
    fn all_lines_are_found() {
        let meminfo = parse(LINUX_6_18).unwrap();
        assert_eq!(meminfo.total, Bytes::from_kib(24_655_580));
        assert_eq!(meminfo.cached, Bytes::from_kib(2_819_384));
        assert_eq!(meminfo.swap_cached, Bytes(0));
        assert_eq!(meminfo.hugetlb, Some(Bytes::from_kib(5120)));
        assert_eq!(meminfo.committed, Some(Bytes::from_kib(3_021_388)));
    }

    #[test]
    fn before_4_20_huge_pages_are_pages_times_size() {
        let old = LINUX_6_18.replace("Hugetlb:", "Other:");
        assert_eq!(parse(&old).unwrap().hugetlb, Some(Bytes(2 * 2048 * 1024)));
    }

    #[test]
    fn a_missing_optional_line_is_unknown_and_not_zero() {
        let text = LINUX_6_18.replace("Shmem:", "Other:");
        assert_eq!(parse(&text).unwrap().shmem, None);
    }

    #[test]
    fn without_a_needed_line_there_is_nothing() {
        assert_eq!(parse(&LINUX_6_18.replace("MemAvailable:", "Other:")), None);
        assert_eq!(parse(""), None);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            parse(&text);
        }
    }
}
