//! memory.stat and the files of events, both versions.

use crate::hostfs::vmstat::pairs;
use memtrace_core::sample::MemoryStat;
use memtrace_core::units::Bytes;

/// The values of memory.stat of either version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub memory: MemoryStat,
    /// Version 1 only: swap in use, of this cgroup alone.
    pub swap: Option<Bytes>,
    /// Version 1 only: the tightest limit that holds here, in bytes.
    pub hierarchical_limit: Option<u64>,
}

/// The names that both versions share mean the same; `rss` and `cache` are version 1's
/// `anon` and `file`. Shared memory is part of `file` in both.
pub fn parse(text: &str) -> Stat {
    let mut stat = Stat::default();
    let memory = &mut stat.memory;
    for (key, value) in pairs(text) {
        match key {
            "anon" | "rss" => memory.anon = Some(Bytes(value)),
            "file" | "cache" => memory.file = Some(Bytes(value)),
            "shmem" => memory.shmem = Some(Bytes(value)),
            "pgfault" => memory.pgfault = Some(value),
            "pgmajfault" => memory.pgmajfault = Some(value),
            "pswpin" => memory.pswpin = Some(value),
            "pswpout" => memory.pswpout = Some(value),
            "pgscan" => memory.pgscan = Some(value),
            "pgsteal" => memory.pgsteal = Some(value),
            "workingset_refault_anon" => memory.workingset_refault_anon = Some(value),
            "workingset_refault_file" => memory.workingset_refault_file = Some(value),
            "swap" => stat.swap = Some(Bytes(value)),
            "hierarchical_memory_limit" => stat.hierarchical_limit = Some(value),
            _ => {}
        }
    }
    stat
}

/// The value of one key, in memory.events, memory.oom_control and the like.
pub fn value(text: &str, key: &str) -> Option<u64> {
    pairs(text).find_map(|(name, value)| (name == key).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_gives_the_values_of_the_cgroup_alone() {
        let stat = parse(
            "cache 4096\nrss 8192\nshmem 1024\npgfault 10\npgmajfault 2\nswap 512\n\
             workingset_refault_anon 7\nhierarchical_memory_limit 9223372036854771712\n\
             total_cache 1\ntotal_rss 1\ntotal_pgmajfault 1\ntotal_swap 1\n",
        );
        assert_eq!(stat.memory.anon, Some(Bytes(8192)));
        assert_eq!(stat.memory.file, Some(Bytes(4096)));
        assert_eq!(stat.memory.pgmajfault, Some(2));
        assert_eq!(stat.memory.workingset_refault_anon, Some(7));
        assert_eq!(stat.memory.pswpin, None);
        assert_eq!(stat.swap, Some(Bytes(512)));
        assert_eq!(stat.hierarchical_limit, Some(9_223_372_036_854_771_712));
    }

    #[test]
    fn version_two_is_read() {
        let stat = parse(
            "anon 1\nfile 2\nshmem 3\npgscan 4\npgscan_kswapd 99\npgsteal 5\npswpin 6\npswpout 7\n",
        );
        assert_eq!(stat.memory.pgscan, Some(4));
        assert_eq!(stat.memory.pgsteal, Some(5));
        assert_eq!((stat.memory.pswpin, stat.memory.pswpout), (Some(6), Some(7)));
        assert_eq!(stat.swap, None);
    }

    #[test]
    fn events_are_found_by_their_whole_name() {
        let events = "low 0\nhigh 3\nmax 41\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(value(events, "max"), Some(41));
        assert_eq!(value(events, "oom_kill"), Some(1));
        assert_eq!(value(events, "none"), None);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "((anon|rss|swap) .{0,9}\n|.*\n)*") {
            parse(&text);
        }
    }
}
