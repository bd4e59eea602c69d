//! A pass over the table of processes: each value lies between two readings of its file.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, ensure};
use memtrace_core::units::{Bytes, Limit};
use memtrace_host::hostfs::cgroup::{self, MemoryCgroup, Version};
use memtrace_host::hostfs::process::{self, Charge, Vitals};
use memtrace_host::hostfs::{HostRoot, Keeper};
use memtrace_host::probe::{Belongings, KernelSide};
use memtrace_tests::pool::{self, Member};
use memtrace_tests::standin::StandIn;

use crate::Test;
use crate::support::{Confined, open, start};

pub const TESTS: &[(&str, Test)] = &[
    ("a_pass_says_what_stat_says", stat),
    ("a_pass_leaves_out_whom_it_cannot_tell", left_out),
    ("a_pass_is_of_the_moment_while_threads_come_and_go", busy),
];
pub const POOL_TESTS: &[(&str, Test)] = &[
    ("a_pass_says_what_cgroups_charge", usage),
    ("a_pass_says_what_limits_hold_and_were_hit", limits),
    ("a_pass_sees_a_move_to_a_nested_cgroup", moves),
];

/// Resident pages that CPUs may have counted and not handed in, which some kernels' file includes.
const UNTOLD: u64 = 1024;
/// Least comparisons while something is under way.
const ROUNDS: usize = 200;

/// Whether this kernel lets processes be read in a pass.
///
/// # Errors
/// Why it doesn't.
pub fn fits() -> Result<()> {
    match open()?.processes_unread() {
        None => Ok(()),
        Some(reason) => anyhow::bail!("{reason}"),
    }
}

/// What the pass tells, if it tells of the process.
fn told(kernel: &mut dyn KernelSide, pid: u32) -> Option<Vitals> {
    kernel.processes().remove(&pid)
}

fn in_file(root: &HostRoot, pid: u32) -> Result<Vitals> {
    Ok(process::stat(root, pid)?.into())
}

fn between(what: &str, before: u64, now: u64, after: u64) -> Result<()> {
    let (low, high) = (before.min(after), before.max(after));
    ensure!((low..=high).contains(&now), "{what}: {now} is not within {low} and {high}");
    Ok(())
}

/// Compares one pass with the files just before and after it.
fn compare(kernel: &mut dyn KernelSide, root: &HostRoot, pid: u32) -> Result<Vitals> {
    let before = in_file(root, pid)?;
    let now = told(kernel, pid).context("the pass left it out")?;
    let after = in_file(root, pid)?;
    between("minor faults", before.minor_faults, now.minor_faults, after.minor_faults)?;
    between("major faults", before.major_faults, now.major_faults, after.major_faults)?;
    between("threads", before.threads.into(), now.threads.into(), after.threads.into())?;
    // The file rounds user and system time down, each by itself.
    between("CPU time", before.cpu_ticks, now.cpu_ticks, after.cpu_ticks + 1)?;
    // Both go up and down while it works; without a fault pages only go.
    if before.minor_faults == after.minor_faults && before.size == after.size {
        ensure!(now.size == after.size, "{now:?} is not {after:?}");
        let pages = |vitals: &Vitals| vitals.resident_pages.context("resident pages");
        let (most, least) = (pages(&before)?, pages(&after)?);
        let near = least.saturating_sub(UNTOLD)..=most.saturating_add(UNTOLD);
        ensure!(near.contains(&pages(&now)?), "{now:?} is not {after:?}");
    }
    ensure!((now.start, &now.comm) == (before.start, &before.comm), "{now:?} is not {before:?}");
    ensure!(!now.exiting && !now.ended && !now.stopped);
    Ok(now)
}

fn tracked(kernel: &mut dyn KernelSide, vm: &StandIn) -> Result<u32> {
    kernel.track(vm.pid(), &Belongings::default())?;
    Ok(vm.pid())
}

fn stat() -> Result<()> {
    let (dir, root) = (tempfile::tempdir()?, HostRoot::live()?);
    let mut kernel = open()?;
    let mut vms = [start(dir.path())?, start(dir.path())?, start(dir.path())?];
    for (vm, threads) in vms.iter_mut().zip([0, 1, 60]) {
        vm.spawn_threads(threads)?;
        tracked(&mut kernel, vm)?;
    }
    for mib in 1..20 {
        for vm in &mut vms {
            vm.touch(mib)?;
            vm.rest()?;
            let now = compare(&mut kernel, &root, vm.pid())?;
            ensure!(now.minor_faults > 0);
        }
    }
    ensure!(kernel.processes().len() >= vms.len(), "more than one in a pass");
    Ok(())
}

/// While it works, all of its values grow.
fn busy() -> Result<()> {
    let (dir, root) = (tempfile::tempdir()?, HostRoot::live()?);
    let mut kernel = open()?;
    let mut vm = start(dir.path())?;
    let pid = tracked(&mut kernel, &vm)?;
    let before = in_file(&root, pid)?;
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            for mib in 0..64 {
                vm.touch(mib)?;
                vm.spawn_threads(4)?;
            }
            anyhow::Ok(())
        });
        let mut compared = 0;
        while !work.is_finished() || compared < ROUNDS {
            compare(&mut kernel, &root, pid)?;
            compared += 1;
        }
        work.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    })?;
    let after = compare(&mut kernel, &root, pid)?;
    ensure!(after.minor_faults > before.minor_faults && after.threads > before.threads);
    Ok(())
}

fn left_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut vm = start(dir.path())?;
    let pid = tracked(&mut kernel, &vm)?;
    ensure!(told(&mut kernel, pid).is_some());
    vm.rename("back\\slash")?;
    ensure!(told(&mut kernel, pid).is_none(), "a name that stat writes otherwise");
    vm.rename("plain) R 1")?;
    ensure!(told(&mut kernel, pid).is_some_and(|now| now.comm == "plain) R 1"));
    for _ in 0..3 {
        vm.spawn_threads(200)?;
    }
    ensure!(told(&mut kernel, pid).is_none(), "more threads than are added up");
    vm.kill()?;
    ensure!(told(&mut kernel, pid).is_none(), "it has ended");
    Ok(())
}

/// The cgroup that the process is charged to, by files.
fn charged_to(root: &HostRoot, pid: u32) -> Result<MemoryCgroup> {
    cgroup::find(root, pid).map_err(anyhow::Error::msg)
}

fn charge(kernel: &mut dyn KernelSide, pid: u32) -> Result<Charge> {
    told(kernel, pid).and_then(|now| now.charge).context("the pass left it out")
}

fn usage() -> Result<()> {
    let (dir, root, files) = (tempfile::tempdir()?, HostRoot::live()?, Keeper::default());
    let mut kernel = open()?;
    let mut vms = Vec::new();
    for name in ["usage-a", "usage-b", "usage-c"] {
        vms.push(Confined::tracked(&mut kernel, dir.path(), name)?);
    }
    for mib in [1, 16, 8] {
        for vm in &mut vms {
            let pid = vm.standin.pid();
            let cgroup = charged_to(&root, pid)?;
            let standin = &mut vm.standin;
            std::thread::scope(|scope| {
                let work = scope.spawn(|| standin.touch(mib));
                for _ in 0..ROUNDS {
                    let before = cgroup::usage(&files, &cgroup).context("usage")?;
                    let now = charge(&mut kernel, pid)?;
                    let after = cgroup::usage(&files, &cgroup).context("usage")?;
                    between("usage", before.0, now.usage.0, after.0)?;
                    ensure!(Some(now.memory) == cgroup.id, "{now:?} is not of {cgroup:?}");
                }
                work.join().map_err(|_| anyhow::anyhow!("it panicked"))?
            })?;
        }
    }
    Ok(())
}

/// Compares what one pass says of a cgroup's limits with the files just before and after it.
fn compare_limits(kernel: &mut dyn KernelSide, pid: u32, cgroup: &MemoryCgroup) -> Result<Charge> {
    let files = Keeper::default();
    let before = cgroup::sample(&files, cgroup, None);
    let now = charge(kernel, pid)?;
    let after = cgroup::sample(&files, cgroup, None);
    let counted = |what: &str, before: Option<u64>, now: Option<u64>, after: Option<u64>| {
        let now = now.with_context(|| format!("{what} is left to files"))?;
        between(what, before.context("before")?, now, after.context("after")?)
    };
    let hits = if cgroup.version == Version::V1 { now.failures } else { now.max_events };
    counted("limit hits", before.limit_hits, hits, after.limit_hits)?;
    counted("OOM kills", before.oom_kills, now.oom_kills, after.oom_kills)?;
    // Nobody sets them meanwhile.
    ensure!(now.limit.is_some() && now.limit == after.limit, "{now:?} is not {after:?}");
    if cgroup.version == Version::V2 {
        ensure!(now.high == after.high, "{now:?} is not {after:?}");
        ensure!(now.swap_limit == after.swap_limit, "{now:?} is not {after:?}");
        let bytes = |amount: Option<Bytes>| Some(amount?.0);
        counted("swap", bytes(before.swap), bytes(now.swap), bytes(after.swap))?;
    }
    Ok(now)
}

/// The limit is first that of the pool, and then its own, which it hits.
fn limits() -> Result<()> {
    let (dir, root) = (tempfile::tempdir()?, HostRoot::live()?);
    let mut kernel = open()?;
    let mut vm = Confined::tracked(&mut kernel, dir.path(), "limits")?;
    let pid = vm.standin.pid();
    let cgroup = charged_to(&root, pid)?;
    let of_pool = compare_limits(&mut kernel, pid, &cgroup)?;
    ensure!(of_pool.limit != Some(Limit::Unlimited), "{of_pool:?}");
    let files = ["memory.high", "memory.swap.max", "memory.max", "memory.limit_in_bytes"];
    for (file, mib) in files.into_iter().zip([30, 40, 20, 20]) {
        let path = cgroup.directory.join(file);
        if path.exists() {
            fs::write(path, format!("{mib}M")).with_context(|| file.to_owned())?;
            compare_limits(&mut kernel, pid, &cgroup)?;
        }
    }
    std::thread::scope(|scope| {
        let standin = &mut vm.standin;
        let work = scope.spawn(|| standin.touch(32));
        let mut compared = 0;
        while !work.is_finished() || compared < ROUNDS {
            compare_limits(&mut kernel, pid, &cgroup)?;
            compared += 1;
        }
        work.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    })?;
    let now = compare_limits(&mut kernel, pid, &cgroup)?;
    ensure!(now.limit == Some(Limit::At(Bytes(20 << 20))), "{now:?}");
    let hits = if cgroup.version == Version::V1 { now.failures } else { now.max_events };
    ensure!(hits.is_some_and(|hits| hits > 0), "{now:?}");
    Ok(())
}

/// The cgroup in the version 2 hierarchy, by files.
fn unified(root: &HostRoot, pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).context("no version 2")?;
    let mount = root.cgroups.unified.as_ref().context("version 2 is not mounted")?;
    Ok(fs::metadata(mount.point.join(path))?.ino())
}

fn moves() -> Result<()> {
    let (dir, root, files) = (tempfile::tempdir()?, HostRoot::live()?, Keeper::default());
    let mut kernel = open()?;
    let vm = Confined::tracked(&mut kernel, dir.path(), "moves")?;
    let pid = vm.standin.pid();
    let outer = pool::find()?.join(format!("moves-{pid}"));
    let mut seen = Vec::new();
    for name in ["", "inner", "other"] {
        let inner = (!name.is_empty()).then(|| Member::new(&outer, name, pid)).transpose()?;
        let now = charge(&mut kernel, pid)?;
        let cgroup = charged_to(&root, pid)?;
        ensure!(Some(now.memory) == cgroup.id, "{now:?} is not of {cgroup:?}");
        ensure!(Some(now.usage) == cgroup::usage(&files, &cgroup), "{now:?} of {cgroup:?}");
        if root.cgroups.unified.is_some() {
            ensure!(now.unified == unified(&root, pid)?, "{now:?} in version 2");
        }
        seen.push((now.memory, now.unified));
        // Empty before it is removed.
        fs::write(outer.join("cgroup.procs"), pid.to_string()).context("move it back")?;
        drop(inner);
    }
    seen.dedup();
    ensure!(seen.len() == 3, "the moves were not seen: {seen:?}");
    Ok(())
}
