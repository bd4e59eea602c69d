//! The host as a whole, of all its files.

use std::io;

use super::{HostRoot, arc, meminfo, merging, psi, read, swaps, vmstat};
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
            cpus: read::text(&root.sys.join("devices/system/cpu/online"), read::SMALL)
                .ok()
                .and_then(|text| count_cpus(&text)),
        }
    }
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
    }
}

/// Whether KSM merges pages of zeros with the kernel's own; a kernel without KSM merges none.
fn merges_zeros(root: &HostRoot) -> Option<bool> {
    match merging::zero_pages(root) {
        Ok(merges) => Some(merges),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(false),
    }
}

/// Number of CPUs in a list such as `0-3,8,10-11`.
pub(crate) fn count_cpus(list: &str) -> Option<u32> {
    list.trim().split(',').try_fold(0_u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(count_cpus("0\n"), Some(1));
        assert_eq!(count_cpus("0-3,8,10-11\n"), Some(7));
        assert_eq!(count_cpus(""), None);
        assert_eq!(count_cpus("3-1"), None);
        assert_eq!(count_cpus("0-4294967295"), None);
    }
}
