//! The host as a whole, of all its files.

use std::io;

use super::{HostRoot, arc, list, meminfo, merging, psi, read, swaps, vmstat};
use memtrace_core::sample::HostSample;

/// Name and size of the host: what doesn't change while memtrace runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    pub cpus: Option<u32>,
}

impl HostFacts {
    /// What can't be read stays `None`.
    pub fn read(root: &HostRoot) -> Self {
        let line = |path: &str| {
            let text = read::text(&root.proc.join(path), read::SMALL).ok()?;
            Some(text.trim().to_owned()).filter(|line| !line.is_empty())
        };
        Self {
            hostname: line("sys/kernel/hostname"),
            kernel: line("sys/kernel/osrelease"),
            cpus: cpus(root),
        }
    }
}

/// How many are online. `None`: it isn't told.
fn cpus(root: &HostRoot) -> Option<u32> {
    let text = read::text(&root.sys.join("devices/system/cpu/online"), read::SMALL).ok()?;
    let online = list::numbers(&text)?.len();
    u32::try_from(online).ok().filter(|&count| count > 0)
}

/// Reads everything. What failed is `None`, and `problems` gets a line for it.
pub fn read(root: &HostRoot, facts: &HostFacts, problems: &mut Vec<String>) -> HostSample {
    let mut check = |file: &str, error: io::Error| problems.push(format!("{file}: {error}"));
    HostSample {
        hostname: facts.hostname.clone(),
        kernel: facts.kernel.clone(),
        cpus: facts.cpus,
        meminfo: meminfo::read(root).map_err(|error| check("/proc/meminfo", error)).ok(),
        vmstat: vmstat::read(root).map_err(|error| check("/proc/vmstat", error)).ok(),
        psi: psi::read(&root.proc.join("pressure/memory"))
            .map_err(|error| check("/proc/pressure/memory", error))
            .ok(),
        swaps: swaps::read(root).map_err(|error| check("/proc/swaps", error)).ok(),
        arc_reclaimable: arc::read(root).map_err(|error| check("arcstats", error)).ok(),
        merges_zeros: merges_zeros(root),
        scope: None,
        counters: None,
        hooks: None,
    }
}

/// Whether KSM merges pages of zeros with the kernel's own; a kernel without KSM merges none.
fn merges_zeros(root: &HostRoot) -> Option<bool> {
    match merging::zero_pages(root) {
        Ok(merges) => Some(merges),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;

    #[test]
    fn cpus_that_are_not_told_are_unknown() {
        let host = FakeHost::unified();
        let cpus = || HostFacts::read(&host.root()).cpus;
        assert_eq!(cpus(), None);
        for (text, expected) in [("0-3,8,10-11\n", Some(7)), ("\n", None), ("all\n", None)] {
            host.file("sys/devices/system/cpu/online", text);
            assert_eq!(cpus(), expected, "{text:?}");
        }
    }
}
