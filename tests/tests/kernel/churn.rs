//! VMs that come and go by the thousand: no VM is charged for another, and no slot is lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memtrace_host::probe::{Belongings, Census, KernelSide, Limits, Probe};
use memtrace_tests::standin::StandIn;

use crate::Test;
use crate::support::{open, open_with, room, start};

pub const TESTS: &[(&str, Test)] = &[
    ("two_thousand_vms_come_and_go", two_thousand),
    ("a_vm_keeps_its_counters_when_its_start_is_told_late", told_late),
];
/// By a fault of a process that has no KVM VM, which not every processor has a tracepoint for.
pub const FAULT_TESTS: &[(&str, Test)] =
    &[("a_pid_that_comes_again_is_another_vm", pid_again), ("a_renamed_vm_is_the_same", renamed)];

const CYCLES: usize = 2000;
/// A quiet machine takes a third of a minute; how long a busy one takes is no failure.
const LIMIT: Duration = Duration::from_secs(300);
/// Number of VMs alive at a time.
const ALIVE: usize = 8;
/// After this many, memtrace is restarted.
const RESTART: usize = CYCLES / 2 + 3;
/// exec itself faults a little before its tracepoint fires.
const BEFORE_START: u64 = 200;

/// A stand-in, and what it had when it was tracked.
struct Guest {
    standin: StandIn,
    from_start: bool,
    /// Its faults by the kernel and by the programs.
    before: (u64, u64),
}

fn by_kernel(standin: &StandIn) -> Result<u64> {
    let (minor, major) = standin.faults()?;
    Ok(minor + major)
}

fn by_programs(kernel: &mut Probe, pid: u32) -> Result<(u64, bool)> {
    let reading = kernel.read();
    let vm = reading.vms.get(&pid).context("no slot")?;
    Ok((vm.counters.user_faults + vm.counters.kernel_faults, vm.from_start))
}

/// Tracks a stand-in and lets it fault, each another amount.
fn begin(kernel: &mut Probe, mut standin: StandIn, mib: usize) -> Result<Guest> {
    kernel.events();
    kernel.track(standin.pid(), &Belongings::default())?;
    standin.rest()?;
    let (counted, from_start) = by_programs(kernel, standin.pid())?;
    let before = (by_kernel(&standin)?, counted);
    standin.touch(mib)?;
    Ok(Guest { standin, from_start, before })
}

/// Compares what was counted for a stand-in, and lets it end.
fn end(kernel: &mut Probe, guest: Guest) -> Result<()> {
    let pid = guest.standin.pid();
    guest.standin.rest()?;
    let theirs = by_kernel(&guest.standin)? - guest.before.0;
    let (total, _) = by_programs(kernel, pid)?;
    let ours = total - guest.before.1;
    ensure!(theirs > 100, "it took {theirs} faults only");
    ensure!(ours.abs_diff(theirs) <= 2, "{pid} took {theirs} faults and is charged {ours}");
    if guest.from_start {
        let missed = (guest.before.0 + theirs).saturating_sub(total);
        ensure!(missed <= BEFORE_START, "{pid}: {missed} faults since its start are missing");
    }
    guest.standin.end()?;
    kernel.events();
    kernel.forget(pid);
    Ok(())
}

fn two_thousand() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limits = Limits { slots: 64, ..Limits::default() };
    let mut kernel = open_with(limits)?;
    let capacity = room(&mut kernel);
    let mut alive: Vec<Guest> = Vec::new();
    let begun = Instant::now();
    for cycle in 0..CYCLES {
        ensure!(begun.elapsed() < LIMIT, "only {cycle} of {CYCLES} starts in {LIMIT:?}");
        if cycle == RESTART {
            kernel = open_with(limits)?;
            for guest in std::mem::take(&mut alive) {
                // More than any of them has touched.
                let again = begin(&mut kernel, guest.standin, 5)?;
                ensure!(!again.from_start, "its start can't have been seen");
                alive.push(again);
            }
        }
        if alive.len() >= ALIVE {
            end(&mut kernel, alive.remove(cycle % ALIVE))?;
        }
        let standin = start(dir.path())?;
        let guest = begin(&mut kernel, standin, 1 + cycle % 3)
            .with_context(|| format!("cycle {cycle}, {:?}", kernel.census()))?;
        ensure!(guest.from_start, "cycle {cycle}: its start was not seen");
        alive.push(guest);
    }
    for guest in alive {
        end(&mut kernel, guest)?;
    }
    nothing_is_left(&mut kernel, capacity)
}

fn nothing_is_left(kernel: &mut Probe, capacity: usize) -> Result<()> {
    let room = room(kernel);
    ensure!(room == capacity, "room for {room} VMs is left of {capacity}");
    // Whatever else starts on this machine under a VMM's name.
    let census = kernel.census();
    let strangers = Census {
        unclaimed: census.unclaimed,
        processes: census.unclaimed,
        address_spaces: census.unclaimed,
        ..Census::default()
    };
    ensure!(census == strangers, "{census:?}");
    let host = kernel.read().host;
    ensure!((host.lost_slots, host.lost_events) == (0, 0), "{host:?}");
    Ok(())
}

/// Starts a stand-in that gets process id `pid`. The kernel hands out ids in turn, from
/// the last one on; another process may be faster, hence several tries.
fn start_as(pid: u32, dir: &Path) -> Result<StandIn> {
    for _ in 0..50 {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())
            .context("set the last process id")?;
        let standin = start(dir)?;
        if standin.pid() == pid {
            return Ok(standin);
        }
    }
    anyhow::bail!("process id {pid} doesn't come again")
}

fn pid_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { slots: 16, ..Limits::default() })?;
    let capacity = room(&mut kernel);
    // All of it before the events are read.
    let mut first = start(dir.path())?;
    let pid = first.pid();
    first.touch(8)?;
    first.end()?;
    let mut second = start_as(pid, dir.path())?;
    second.touch(2)?;
    kernel.events();
    kernel.track(pid, &Belongings::default())?;
    let (counted, from_start) = by_programs(&mut kernel, pid)?;
    let theirs = by_kernel(&second)?;
    ensure!(from_start && counted + BEFORE_START >= theirs, "{counted} of {theirs} faults");
    ensure!(counted <= theirs, "it is charged for the one before");
    // Now a tracked VM ends, and its end isn't noticed.
    second.end()?;
    let mut third = start_as(pid, dir.path())?;
    kernel.track(pid, &Belongings::default())?;
    third.touch(4)?;
    for _ in 0..4 {
        kernel.events();
        kernel.read();
    }
    let (counted, _) = by_programs(&mut kernel, pid)?;
    let theirs = by_kernel(&third)?;
    ensure!((theirs - BEFORE_START..=theirs).contains(&counted), "{counted} of {theirs} faults");
    third.end()?;
    kernel.events();
    kernel.forget(pid);
    let room = room(&mut kernel);
    ensure!(room == capacity, "room for {room} VMs is left of {capacity}");
    Ok(())
}

/// Found in /proc and tracked before its event is read.
fn told_late() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    kernel.track(standin.pid(), &Belongings::default())?;
    kernel.events();
    standin.touch(2)?;
    ensure!(by_programs(&mut kernel, standin.pid())?.1, "its start was seen");
    let census = kernel.census();
    ensure!((census.tracked, census.unclaimed) == (1, 0), "{census:?}");
    Ok(())
}

fn renamed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let standin = start(dir.path())?;
    let mut guest = begin(&mut kernel, standin, 1)?;
    guest.standin.rename("something-else")?;
    guest.standin.touch(3)?;
    end(&mut kernel, guest)
}
