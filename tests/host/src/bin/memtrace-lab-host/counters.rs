//! The kernel's own counters, as its files have them: `key value` lines.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context as _, Result};
use memtrace_host::taskstats::Taskstats;
use memtrace_lab_host::scenario::{Memory, Plan};
use serde::Serialize;

use crate::cgroup;

/// By the kernel's own names.
pub type Counters = BTreeMap<String, u64>;

/// What the kernel says of one guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfGuest {
    /// /proc/PID/status in kB, and `minflt` and `majflt` of /proc/PID/stat.
    pub process: Counters,
    /// memory.stat and memory.events of its cgroup; the root cgroup may have neither.
    pub stat: Counters,
    pub events: Counters,
    /// `some` and `full` totals (µs) of its cgroup's memory.pressure.
    pub pressure: Counters,
    /// `count` and `ns` of its waits in reclaim (taskstats), if this kernel keeps them.
    pub waits: Counters,
    /// kB in swap of its shared memory (/proc/PID/smaps).
    pub shared_swap: u64,
}

/// What the kernel says of everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfHost {
    pub vmstat: Counters,
    pub cpus: usize,
    /// Of a page, in which counters of pages count.
    pub page_bytes: usize,
    /// memory.events of the lab's cgroup, with those of all cgroups in it.
    pub events: Counters,
}

/// Counters of memory.stat that are compared, and move late.
pub const LATE: [&str; 5] =
    ["pgmajfault", "pswpin", "pswpout", "workingset_refault_anon", "workingset_refault_file"];

/// # Errors
/// When a file can't be read.
pub fn of_guest(plan: &Plan, pid: u32) -> Result<OfGuest> {
    let cgroup = cgroup::of(plan.cgroup);
    let of_cgroup = |file| fs::read_to_string(cgroup.join(file)).unwrap_or_default();
    let folder = Path::new("/proc").join(pid.to_string());
    Ok(OfGuest {
        process: of_process(pid)?,
        stat: pairs(&of_cgroup("memory.stat")),
        events: pairs(&of_cgroup("memory.events")),
        pressure: pressure(&of_cgroup("memory.pressure")),
        waits: waits(pid),
        shared_swap: match plan.memory {
            Memory::Shared => shared_swap(&read(&folder.join("smaps"))?),
            Memory::Private | Memory::Huge => 0,
        },
    })
}

/// # Errors
/// When it is gone.
pub fn of_process(pid: u32) -> Result<Counters> {
    let folder = Path::new("/proc").join(pid.to_string());
    let mut counters = pairs(&read(&folder.join("status"))?);
    counters.extend(faults(&read(&folder.join("stat"))?));
    Ok(counters)
}

/// # Errors
/// When a file can't be read.
pub fn of_host() -> Result<OfHost> {
    // Some of vmstat's counters lag behind on each CPU until they are asked to come together.
    // 5.10 does that, and says EINVAL where it then finds a counter below zero.
    match fs::write("/proc/sys/vm/stat_refresh", "1") {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
            return Err(error).context("refresh vmstat");
        }
        _ => {}
    }
    let mut vmstat = pairs(&read(Path::new("/proc/vmstat"))?);
    let page_bytes = rustix::param::page_size();
    // 5.10 has it there alone, in kB.
    let cached = pairs(&read(Path::new("/proc/meminfo"))?).get("SwapCached").copied();
    if let Some(cached) = cached.map(|kib| (kib << 10) / page_bytes as u64) {
        vmstat.entry("nr_swapcached".to_owned()).or_insert(cached);
    }
    Ok(OfHost {
        vmstat,
        cpus: std::thread::available_parallelism()?.get(),
        page_bytes,
        events: pairs(&read(&cgroup::parent().join("memory.events"))?),
    })
}

fn waits(pid: u32) -> Counters {
    let asked = Taskstats::open().and_then(|stats| stats.reclaims(pid.cast_signed()));
    let Ok(waits) = asked else { return Counters::new() };
    [("count", waits.count), ("ns", waits.nanoseconds)]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// `Swap:` in kB of the mappings of qemu's memfd.
fn shared_swap(smaps: &str) -> u64 {
    let mut within = false;
    let mut sum = 0;
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !first.ends_with(':') {
            within = line.contains("/memfd:");
        } else if within && first == "Swap:" {
            sum += line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
        }
    }
    sum
}

/// Lines of a name and a number; a unit behind it is left out, as are other lines.
pub fn pairs(text: &str) -> Counters {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.trim_end_matches(':');
            Some((name.to_owned(), words.next()?.parse().ok()?))
        })
        .collect()
}

/// Fields 10 and 12 of /proc/PID/stat, counted behind the command, which may hold anything.
fn faults(stat: &str) -> Counters {
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    // The state, field 3, is the first here.
    [("minflt", 10), ("majflt", 12)]
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), fields.get(field - 3)?.parse().ok()?)))
        .collect()
}

/// `some` and `full` totals (µs) of a pressure file.
pub fn pressure(text: &str) -> Counters {
    text.lines()
        .filter_map(|line| {
            let (kind, rest) = line.split_once(' ')?;
            Some((kind.to_owned(), rest.rsplit_once("total=")?.1.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_by_name_with_or_without_colon_and_unit() {
        let text = "Name:\tqemu\nVmSwap:\t    120 kB\npgmajfault 7\n";
        let expected = [("VmSwap".to_owned(), 120), ("pgmajfault".to_owned(), 7)];
        assert_eq!(pairs(text), Counters::from(expected));
    }

    #[test]
    fn faults_are_counted_behind_any_command() {
        let text = "12 (CPU 0/KVM) x) S 1 1 1 0 -1 4194560 111 0 22 0 5 6";
        assert_eq!(faults(text).get("minflt"), Some(&111));
        assert_eq!(faults(text).get("majflt"), Some(&22));
        assert!(faults("12 (x) S").is_empty());
    }

    #[test]
    fn swap_is_added_up_over_the_mappings_of_the_memfd_alone() {
        let smaps = "7f00-7f10 rw-s 00000000 00:01 5 /memfd:ram (deleted)\n\
                     Rss:  4 kB\nSwap:  12 kB\nSwapPss: 12 kB\n\
                     7f20-7f30 rw-p 00000000 00:00 0\nSwap:  7 kB\n";
        assert_eq!(shared_swap(smaps), 12);
    }

    #[test]
    fn pressure_totals_are_read() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=42\nfull avg10=0 total=7\n";
        assert_eq!(pressure(text).get("some"), Some(&42));
        assert_eq!(pressure(text).get("full"), Some(&7));
    }
}
