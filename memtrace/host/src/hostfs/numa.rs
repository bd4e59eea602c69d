//! The nodes of the host's memory: /sys/devices/system/node, and which of them a process may use.

use std::collections::BTreeSet;
use std::io;

use super::process::status;
use super::{HostRoot, list, meminfo, read};
use memtrace_core::units::Bytes;

/// A node that has memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub number: u32,
    pub total: Bytes,
    /// Free, and what its page cache and slab give back: shared memory isn't in it.
    pub available: Bytes,
}

/// The nodes that have memory.
///
/// # Errors
/// When they can't be read. `NotFound`: a kernel without NUMA.
pub fn nodes(root: &HostRoot) -> io::Result<Vec<Node>> {
    let directory = root.sys.join("devices/system/node");
    let list = read::text(&directory.join("has_memory"), read::SMALL)?;
    let numbers = list::numbers(&list).ok_or_else(|| io::Error::other("has_memory is no list"))?;
    let node = |number: &u32| {
        let text = read::text(&directory.join(format!("node{number}/meminfo")), read::SMALL)?;
        parse(*number, &text).ok_or_else(|| io::Error::other("meminfo of a node lacks a line"))
    };
    numbers.iter().map(node).collect()
}

/// Lines are `Node 0 MemFree: 150000 kB`.
pub(crate) fn parse(number: u32, text: &str) -> Option<Node> {
    let prefix = format!("Node {number} ");
    let lines: Vec<&str> =
        text.lines().map(|line| line.trim().trim_start_matches(prefix.as_str())).collect();
    let lines = lines.join("\n");
    let kib = |key| meminfo::kib(&lines, key);
    let cached = ["Active(file)", "Inactive(file)", "SReclaimable"].into_iter().filter_map(kib);
    let available = cached.fold(kib("MemFree")?, Bytes::saturating_add);
    Some(Node { number, total: kib("MemTotal")?, available })
}

/// The nodes that process `pid` may use, by its cpuset.
///
/// # Errors
/// When its status can't be read, or doesn't say it.
pub fn allowed(root: &HostRoot, pid: u32) -> io::Result<BTreeSet<u32>> {
    let nodes = status::field(&root.process(pid), "Mems_allowed_list")?;
    list::numbers(&nodes).ok_or_else(|| io::Error::other("Mems_allowed_list is no list"))
}

/// How far a full node is reclaimed before another one is used (`vm.zone_reclaim_mode`); 0: not.
///
/// # Errors
/// `NotFound`: a kernel without it.
pub fn zone_reclaim_mode(root: &HostRoot) -> io::Result<u64> {
    read::number(&root.proc.join("sys/vm/zone_reclaim_mode"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::{self, FakeHost};

    fn meminfo(number: u32, free: u64, file: u64) -> String {
        format!(
            "Node {number} MemTotal:       50331648 kB\nNode {number} MemFree:        {free} kB\n\
             Node {number} Active(file):   {file} kB\nNode {number} Inactive(file): 0 kB\n\
             Node {number} SReclaimable:   100 kB\n"
        )
    }

    #[test]
    fn nodes_have_what_is_free_and_what_their_cache_gives_back() {
        let host = FakeHost::unified();
        assert_eq!(nodes(&host.root()).unwrap_err().kind(), io::ErrorKind::NotFound);
        host.file("sys/devices/system/node/has_memory", "0-1\n");
        host.file("sys/devices/system/node/node0/meminfo", &meminfo(0, 150_000, 50_000));
        assert!(nodes(&host.root()).is_err(), "one can't be read");
        host.file("sys/devices/system/node/node1/meminfo", &meminfo(1, 41_000_000, 0));
        let total = Bytes::from_kib(50_331_648);
        let node = |number, kib| Node { number, total, available: Bytes::from_kib(kib) };
        assert_eq!(nodes(&host.root()).unwrap(), [node(0, 200_100), node(1, 41_000_100)]);
    }

    #[test]
    fn a_process_may_use_what_its_cpuset_allows() {
        let host = FakeHost::unified();
        host.process(&fake::QEMU);
        assert!(allowed(&host.root(), 50).is_err());
        host.file("proc/50/status", "VmRSS:\t1 kB\nMems_allowed_list:\t0,2-3\n");
        assert_eq!(allowed(&host.root(), 50).unwrap(), BTreeSet::from([0, 2, 3]));
        assert!(zone_reclaim_mode(&host.root()).is_err());
        host.file("proc/sys/vm/zone_reclaim_mode", "1\n");
        assert_eq!(zone_reclaim_mode(&host.root()).unwrap(), 1);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(Node 0 |MemTotal: |MemFree: |[0-9,-]|.|\n){0,20}") {
            parse(0, &text);
        }
    }
}
