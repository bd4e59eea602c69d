//! The kernel's own counters of a guest's process, from sources that memtrace doesn't use for them.

use anyhow::{Context as _, Result};

use super::cgroup::Cgroup;
use super::side::KernelCounters;
use memtrace_core::units::Bytes;
use memtrace_host::hostfs::cgroup::stat;
use memtrace_host::hostfs::{HostRoot, Keeper, process, psi, read};
use memtrace_host::taskstats::Taskstats;

/// Reads the kernel's counters.
pub struct Counters<'a> {
    pub root: &'a HostRoot,
    /// The cgroup that the guest has to itself.
    pub cgroup: Option<&'a Cgroup>,
    /// `None`: no delay accounting here.
    pub delays: Option<&'a Taskstats>,
    pub page_size: Bytes,
}

impl Counters<'_> {
    /// The counters of the guest.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of_guest(&self, pid: u32) -> Result<KernelCounters> {
        let mut counters = self.of_process(pid)?;
        if let Some(cgroup) = self.cgroup {
            let file = |name: &str| read::text(&cgroup.directory.join(name), read::SMALL).ok();
            counters.stat = file("memory.stat").map(|text| stat::parse(&text).memory);
            counters.huge_pages_refused = self.huge_pages_refused();
            counters.limit_hits = file("memory.events").and_then(|text| stat::value(&text, "max"));
            let pressure = psi::read(&cgroup.directory.join("memory.pressure"));
            counters.pressure_us = pressure.ok().map(|pressure| pressure.some.total_us);
        }
        Ok(counters)
    }

    fn huge_pages_refused(&self) -> Option<u64> {
        let text = read::text(&self.root.proc.join("vmstat"), read::SMALL).ok()?;
        stat::value(&text, "thp_fault_fallback_charge")
    }

    /// The counters of a process whose cgroup isn't its own.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of_process(&self, pid: u32) -> Result<KernelCounters> {
        let stat = process::stat(self.root, pid).context("the guest has exited")?;
        let memory = process::memory(&Keeper::default(), self.root, pid);
        let swap = memory.swap.context("the guest has no VmSwap")?;
        let reclaims = self.delays.and_then(|delays| delays.reclaims(pid.try_into().ok()?).ok());
        Ok(KernelCounters {
            swap_pages: swap.0.checked_div(self.page_size.0).unwrap_or(0),
            minor_faults: stat.minor_faults,
            major_faults: stat.major_faults,
            reclaims: reclaims.map(|reclaims| reclaims.count),
            reclaim_ns: reclaims.map(|reclaims| reclaims.nanoseconds),
            ..KernelCounters::default()
        })
    }
}
