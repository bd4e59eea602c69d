//! /proc/PID/status, and its memory lines. Up to 6.1 a thread holds back up to 64 pages of
//! them; since 6.16, and in the stable kernels that got the repair, they are summed up
//! when read (`get_mm_counter_sum` in include/linux/mm.h); between, each CPU may hold
//! back max(32, twice the number of CPUs) pages.

use std::io;
use std::path::Path;

use crate::hostfs::read;
use memtrace_core::sample::ProcessSample;
use memtrace_core::units::Bytes;

/// Longest file: a process may be in 65,536 groups, whose line comes before most others.
pub(super) const LONGEST: usize = 1 << 20;

/// The value of the line `KEY: VALUE`, of the process whose directory in /proc is `process`.
///
/// # Errors
/// When it can't be read, or has no such line.
pub(crate) fn field(process: &Path, key: &str) -> io::Result<String> {
    let text = read::text(&process.join("status"), LONGEST)?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let missing = || io::Error::other(format!("no {key} in its status"));
    value.map(|value| value.trim().to_owned()).ok_or_else(missing)
}

/// A line that is missing stays `None`. Faults, time and threads are not in this file.
pub fn parse(text: &str) -> ProcessSample {
    let mut sample = ProcessSample::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let field = match key {
            "VmRSS" => &mut sample.rss,
            "RssAnon" => &mut sample.rss_anon,
            "RssFile" => &mut sample.rss_file,
            "RssShmem" => &mut sample.rss_shmem,
            "VmSwap" => &mut sample.swap,
            "HugetlbPages" => &mut sample.hugetlb,
            // VFIO counts what it pins as locked (mm->locked_vm), or as pinned (mm->pinned_vm)
            // through iommufd, as vDPA does.
            "VmLck" | "VmPin" => {
                let kib = kib(value);
                sample.locked = match (sample.locked, kib) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    (one, other) => one.or(other),
                };
                continue;
            }
            _ => continue,
        };
        *field = kib(value);
    }
    sample
}

fn kib(value: &str) -> Option<Bytes> {
    value.split_ascii_whitespace().next()?.parse().ok().map(Bytes::from_kib)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::Keeper;
    use crate::hostfs::fake::FakeHost;

    #[test]
    fn memory_lines_are_read() {
        let sample = parse(
            "Name:\tqemu VmRSS: 1 kB\nVmLck:\t       8 kB\nVmRSS:\t  501760 kB\n\
             RssAnon:\t  400000 kB\nRssFile:\t   30000 kB\nRssShmem:\t   71760 kB\n\
             VmSwap:\t    1024 kB\nHugetlbPages:\t       0 kB\nThreads:\t5\n",
        );
        assert_eq!(sample.rss, Some(Bytes::from_kib(501_760)));
        assert_eq!(sample.rss_shmem, Some(Bytes::from_kib(71_760)));
        assert_eq!(sample.swap, Some(Bytes::from_kib(1024)));
        assert_eq!(sample.hugetlb, Some(Bytes(0)));
        assert_eq!(sample.locked, Some(Bytes::from_kib(8)));
    }

    #[test]
    fn a_field_is_found_behind_all_groups() {
        let host = FakeHost::unified();
        let groups: String =
            (0..65_536).map(|group| format!("{} ", 4_294_900_000_u64 + group)).collect();
        let text = format!("Uid:\t7\t0\t0\t0\nGroups:\t{groups}\nNSpid:\t5 1\nVmRSS:\t 4 kB\n");
        host.file("proc/5/status", &text);
        let process = host.root().process(5);
        let of = |key| field(&process, key).map_err(|error| error.to_string());
        assert_eq!(of("NSpid").as_deref(), Ok("5 1"));
        assert_eq!(of("Uid").as_deref(), Ok("7\t0\t0\t0"));
        assert_eq!(of("Gid"), Err("no Gid in its status".to_owned()));
        let memory = super::super::memory(&Keeper::default(), &host.root(), 5);
        assert_eq!(memory.rss, Some(Bytes(4096)));
    }

    #[test]
    fn pinned_memory_counts_as_locked() {
        let locked = |text| parse(text).locked;
        assert_eq!(locked("VmLck: 8 kB\nVmPin: 4096 kB\n"), Some(Bytes::from_kib(4096)));
        assert_eq!(locked("VmLck: 8 kB\nVmPin: 0 kB\n"), Some(Bytes::from_kib(8)));
    }

    #[test]
    fn a_zombie_has_no_memory_lines() {
        assert_eq!(parse("Name:\tqemu\nState:\tZ (zombie)\n"), ProcessSample::default());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "(VmRSS:|VmSwap:|.){0,9}") {
            parse(&text);
        }
    }
}
