//! The kernel's own counters of the guests, which memtrace's are compared with. Read here
//! on paths of their own: nothing is shared with memtrace.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use memtrace_host::taskstats::{Reclaims, Taskstats};

use crate::local::Lab;
use crate::local::cgroup::Version;
use crate::local::guest::Guest;

/// One guest's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestCounters {
    /// VmSwap of /proc/PID/status, in pages.
    pub swap_pages: u64,
    /// pgmajfault of its cgroup's memory.stat.
    pub major_faults: u64,
    /// `None`: this kernel doesn't account for delays.
    pub reclaims: Option<Reclaims>,
}

/// The guests' counters, in the lab's order, and the pool's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    pub guests: Vec<GuestCounters>,
    /// memory.events `max` of the pool. `None`: cgroup v1 doesn't count it.
    pub limit_hits: Option<u64>,
}

/// Reads everything.
///
/// # Errors
/// When a guest is gone or one of its files can't be understood.
pub fn read(lab: &Lab, taskstats: Option<&Taskstats>) -> Result<KernelCounters> {
    let guests =
        lab.guests.iter().map(|guest| read_guest(guest, taskstats)).collect::<Result<_>>()?;
    let limit_hits = match (lab.hierarchy.version, lab.parent()) {
        (Version::V2, Some(parent)) => Some(read_field(&parent.join("memory.events"), "max")?),
        _ => None,
    };
    Ok(KernelCounters { guests, limit_hits })
}

fn read_guest(guest: &Guest, taskstats: Option<&Taskstats>) -> Result<GuestCounters> {
    let pid = guest.process.pid;
    let page = u64::try_from(rustix::param::page_size())?;
    let kib = read_field(Path::new(&format!("/proc/{pid}/status")), "VmSwap:")?;
    Ok(GuestCounters {
        swap_pages: kib.saturating_mul(1024) / page,
        major_faults: read_field(&guest.cgroup.join("memory.stat"), "pgmajfault")?,
        reclaims: taskstats.map(|taskstats| taskstats.reclaims(pid)).transpose()?,
    })
}

fn read_field(path: &Path, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    field(&text, name).with_context(|| format!("no {name} in {}", path.display()))
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next()? != name {
            return None;
        }
        words.next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "total_pgmajfault 9\npgmajfault 7\nVmSwap:\t  12 kB\n";
        assert_eq!(field(text, "pgmajfault"), Some(7));
        assert_eq!(field(text, "VmSwap:"), Some(12));
        assert_eq!(field(text, "max"), None);
    }
}
