//! The memory lines of /proc/PID/status. Up to 6.1 a thread holds back up to 64 pages of
//! them; since 6.16, and in the stable kernels that got the repair, they are summed up
//! when read (`get_mm_counter_sum` in include/linux/mm.h); between, each CPU may hold
//! back max(32, twice the number of CPUs) pages.

use memtrace_core::sample::ProcessSample;
use memtrace_core::units::Bytes;

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
            // VFIO counts what it pins as locked (mm->locked_vm), or as pinned (mm->pinned_vm) through
            // iommufd, as vDPA does.
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
