//! Reads a moment of a run: the kernel's counters beside memtrace's own numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use memtrace_host::taskstats::Taskstats;
use memtrace_lab::local::Lab;
use memtrace_lab::local::beside::Pressure;
use memtrace_lab::local::guest::Guest;
use memtrace_lab_host::course::Courses;
use memtrace_lab_host::series::{Host, OfOne};
use serde_json::Value;

const MIB: f64 = 1_048_576.0;
const PAGES_IN_MIB: f64 = 256.0;

/// Sources beside the files under /proc.
pub struct Kernel {
    pub pressure: Option<Pressure>,
    pub taskstats: Option<Taskstats>,
    /// By process.
    pub disk: BTreeMap<i32, DiskWaits>,
}

/// How long a guest's CPUs have waited for a disk, as far as that can be.
pub struct DiskWaits {
    read: Instant,
    /// The kernel's number then.
    told: f64,
    sum: f64,
}

impl Kernel {
    /// The machine's counters, and in place of its memory and its PSI the pool's.
    ///
    /// # Errors
    /// When its counters can't be read.
    pub fn pool(&self, lab: &Lab, limit_mib: u32) -> Result<Host> {
        let vmstat = fs::read_to_string("/proc/vmstat").context("read /proc/vmstat")?;
        let used = lab.parent().and_then(|parent| lab.hierarchy.usage(parent));
        let folder = self.pressure.as_ref().map(|pressure| pressure.pool.clone());
        Ok(Host {
            available: used.map(|bytes| f64::from(limit_mib) - bytes as f64 / MIB),
            swapped_in: number(&vmstat, "pswpin").map(pages),
            swapped_out: number(&vmstat, "pswpout").map(pages),
            killed: number(&vmstat, "oom_kill"),
            pressure: folder.and_then(|folder| waited(&folder)),
        })
    }

    /// What is known of one guest; `touched` is what it said itself.
    pub fn guest(
        &mut self,
        guest: &Guest,
        (step, courses): (&Value, &Courses),
        touched: Option<f64>,
    ) -> OfOne {
        let name = guest.plan.name;
        let pid = guest.process.pid;
        // What can't be read is not known.
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let process = text(Path::new(&format!("/proc/{pid}/status")));
        let stat = text(&guest.cgroup.join("memory.stat"));
        // The one of version 2, the other of version 1.
        let events = ["memory.events", "memory.oom_control"].map(|f| text(&guest.cgroup.join(f)));
        let course = courses.get(name);
        let grown = |field: &str| {
            let cell = course.and_then(|course| course.get(field));
            cell.filter(|cell| cell.known > 0).map(|cell| cell.grown)
        };
        let waits = self.taskstats.as_ref().and_then(|stats| stats.reclaims(pid).ok());
        let waits = waits.map(|waits| waits.nanoseconds as f64 / 1e9);
        let disk = self.disk_waits(pid);
        let folder = self.pressure.as_ref().map(|pressure| pressure.of(guest));
        OfOne {
            name: name.to_owned(),
            size: size(step, name),
            resident: number(&process, "VmRSS:").map(kib),
            swapped: number(&process, "VmSwap:").map(kib),
            // Per cent times seconds.
            stalled: grown("stalled").map(|sum| sum / 100.0),
            swapped_in: grown("swap_in").map(|bytes| bytes / MIB),
            reclaiming: waits.zip(disk).map(|(reclaim, disk)| reclaim + disk),
            pressure: folder.and_then(|folder| waited(&folder)),
            refaulted: number(&stat, "workingset_refault_anon").map(pages),
            major_faults: number(&stat, "pgmajfault"),
            killed: events.iter().find_map(|text| number(text, "oom_kill")),
            touched,
        }
    }

    /// Since the first call, in seconds.
    fn disk_waits(&mut self, pid: i32) -> Option<f64> {
        let (told, cpus) = told_of_disk(pid)?;
        let now = Instant::now();
        let new = || DiskWaits { read: now, told, sum: 0.0 };
        let waits = self.disk.entry(pid).or_insert_with(new);
        let most = now.duration_since(waits.read).as_secs_f64() * cpus;
        *waits = DiskWaits { read: now, told, sum: waits.sum + real(told - waits.told, most) };
        Some(waits.sum)
    }
}

/// Limits a wait to the time passed. The kernel counts more where a thread is woken between
/// saying that it will wait and waiting: that ends a wait which never began, and counts from the
/// one before, or from the boot (`delayacct_end` in kernel/delayacct.c).
fn real(growth: f64, most: f64) -> f64 {
    growth.clamp(0.0, most.max(0.0))
}

/// The scope's state, in the reactor's word.
pub fn state(step: &Value) -> Option<String> {
    step.pointer("/reaction/decisions/state")?.as_str().map(str::to_owned)
}

/// MiB that a guest says it touched: `touched=12` among its words.
pub fn touched(status: &str) -> Option<f64> {
    status.split_whitespace().find_map(|word| word.strip_prefix("touched="))?.parse().ok()
}

/// What the balloon leaves it, in MiB.
fn size(step: &Value, name: &str) -> Option<f64> {
    let vms = step.pointer("/snapshot/vms")?.as_array()?;
    let vm = vms.iter().find(|vm| vm.get("name").and_then(Value::as_str) == Some(name))?;
    vm.pointer("/balloon_actual/value")?.as_f64().map(|bytes| bytes / MIB)
}

/// Seconds in which some task of the cgroup waited for memory so far.
fn waited(folder: &Path) -> Option<f64> {
    some(&fs::read_to_string(folder.join("memory.pressure")).ok()?)
}

fn some(pressure: &str) -> Option<f64> {
    let line = pressure.lines().find_map(|line| line.strip_prefix("some "))?;
    let microseconds: u64 = line.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(microseconds as f64 / 1e6)
}

/// Seconds that the guest's CPUs have waited for a disk, and they have none but swap's:
/// `delayacct_blkio_ticks` of proc(5), in hundredths of a second (USER_HZ) on x86. And how many
/// CPUs. qemu's other threads may wait for events in a way that counts as well.
fn told_of_disk(pid: i32) -> Option<(f64, f64)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let ticks: Vec<u64> = threads
        .flatten()
        // A thread that has just ended was none of the guest's CPUs.
        .filter_map(|thread| cpu_ticks(&fs::read_to_string(thread.path().join("stat")).ok()?))
        .collect();
    // None of them: its threads have other names here.
    let sum = ticks.iter().copied().reduce(u64::saturating_add)?;
    Some((sum as f64 / 100.0, ticks.len() as f64))
}

/// Field 42 of a thread that qemu calls `CPU 0/TCG`, or `ALL CPUs/TCG`; the name is between
/// brackets, and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (front, rest) = stat.rsplit_once(')')?;
    let (_, name) = front.split_once('(')?;
    if !name.starts_with("CPU ") && !name.starts_with("ALL CPU") {
        return None;
    }
    // The state, field 3, is the first here.
    rest.split_whitespace().nth(42 - 3)?.parse().ok()
}

/// The number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

fn pages(count: u64) -> f64 {
    count as f64 / PAGES_IN_MIB
}

fn kib(count: u64) -> f64 {
    count as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_names() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(number(text, "oom_kill"), Some(3));
        assert_eq!(number(text, "oom"), None);
        assert_eq!(touched("mode=cycle mib=600 walks=1 touched=730"), Some(730.0));
    }

    #[test]
    fn pressure_is_the_time_in_which_some_task_waited() {
        let text = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0 total=7\n";
        assert_eq!(some(text), Some(1.5));
        assert_eq!(some("full avg10=0 total=7\n"), None);
    }

    #[test]
    fn waits_for_disk_are_the_42nd_field_of_the_guests_cpus() {
        let rest: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let stat = |name: &str| format!("7 ({name}) S {}", rest.join(" "));
        assert_eq!(cpu_ticks(&stat("CPU 0/TCG")), Some(42));
        assert_eq!(cpu_ticks(&stat("CPU ) 0) x")), Some(42));
        assert_eq!(cpu_ticks(&stat("qemu-system-x86")), None);
        assert_eq!(cpu_ticks("7 (CPU 0/TCG) S 1"), None);
    }

    #[test]
    fn a_wait_is_at_most_the_time_passed() {
        assert!((real(0.25, 1.0) - 0.25).abs() < 1e-9);
        // As long as the machine runs, in one second.
        assert!((real(54_056.47, 1.0) - 1.0).abs() < 1e-9);
        assert!(real(-3.0, 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_size_is_that_of_the_guest_by_its_name() {
        let vm =
            |name: &str, mib: u64| json!({"name": name, "balloon_actual": {"value": mib << 20}});
        let step = json!({"snapshot": {"vms": [vm("a", 5), vm("web", 7)]}});
        assert_eq!(size(&step, "web"), Some(7.0));
        assert_eq!(size(&step, "b"), None);
    }
}
