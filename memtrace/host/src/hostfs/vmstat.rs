//! /proc/vmstat: the kernel's totals since boot.

use std::io;

use super::{HostRoot, read};
use memtrace_core::sample::Vmstat;

/// # Errors
/// When the file can't be read.
pub fn read(root: &HostRoot) -> io::Result<Vmstat> {
    read::text(&root.proc.join("vmstat"), read::SMALL).map(|text| parse(&text))
}

/// A counter that this kernel doesn't have stays `None`.
pub fn parse(text: &str) -> Vmstat {
    let mut vmstat = Vmstat::default();
    for (key, value) in pairs(text) {
        let field = match key {
            "pswpin" => &mut vmstat.pswpin,
            "pswpout" => &mut vmstat.pswpout,
            "pgfault" => &mut vmstat.pgfault,
            "pgmajfault" => &mut vmstat.pgmajfault,
            "pgscan_kswapd" => &mut vmstat.pgscan_kswapd,
            "pgsteal_kswapd" => &mut vmstat.pgsteal_kswapd,
            "pgscan_direct" => &mut vmstat.pgscan_direct,
            "pgsteal_direct" => &mut vmstat.pgsteal_direct,
            "compact_stall" => &mut vmstat.compact_stall,
            "workingset_refault_anon" => &mut vmstat.workingset_refault_anon,
            "workingset_refault_file" => &mut vmstat.workingset_refault_file,
            "oom_kill" => &mut vmstat.oom_kill,
            "pgscan_anon" => &mut vmstat.pgscan_anon,
            "zswpin" => &mut vmstat.zswpin,
            "zswpout" => &mut vmstat.zswpout,
            // One for each zone.
            key if key.starts_with("allocstall") => {
                let sum = vmstat.allocstall.unwrap_or(0).saturating_add(value);
                vmstat.allocstall = Some(sum);
                continue;
            }
            _ => continue,
        };
        *field = Some(value);
    }
    vmstat
}

/// The pairs of a file with a `key value` in each line: vmstat, memory.stat, memory.events.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_of_all_zones_add_up() {
        let vmstat = parse(
            "allocstall_dma 1\nallocstall_dma32 2\nallocstall_normal 30\nallocstall_movable 400\n",
        );
        assert_eq!(vmstat.allocstall, Some(433));
    }

    #[test]
    fn similar_names_are_not_mistaken() {
        let vmstat = parse(
            "pgscan_direct 7\npgscan_direct_throttle 99\npgsteal_direct 5\npgsteal_kswapd 6\n",
        );
        assert_eq!(vmstat.pgscan_direct, Some(7));
        assert_eq!(vmstat.pgsteal_direct, Some(5));
        assert_eq!(vmstat.pgsteal_kswapd, Some(6));
    }

    #[test]
    fn a_counter_that_is_not_there_is_unknown() {
        let vmstat = parse("pswpin 3\npswpout garbage\n");
        assert_eq!(vmstat.pswpin, Some(3));
        assert_eq!(vmstat.pswpout, None);
        assert_eq!(vmstat.allocstall, None);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "(allocstall_[a-z]{1,4} [0-9]{1,22}\n|.*\n)*") {
            parse(&text);
        }
    }
}
