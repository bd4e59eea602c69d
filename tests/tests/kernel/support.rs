//! Shared by the kernel tests: the kernel side, stand-ins for VMs, and their counters and events.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use memtrace_ebpf::VmCounters;
use memtrace_host::probe::{Arrived, Belongings, Hooking, KernelSide, Limits, Probe, Reading};
use memtrace_tests::pool::{self, Member};
use memtrace_tests::standin::StandIn;

/// The kernel side with the hooks that are asked for.
pub fn open_for(hooking: Hooking) -> Result<Probe> {
    Probe::open(Path::new("/sys"), false, &Limits::default(), hooking)
}

/// A process id that no process can have (pid_max is at most 2^22).
pub const NO_PROCESS: u32 = 1 << 23;
/// MiB that a stand-in touches: more than a pool of 128 MiB holds.
pub const TOO_MUCH: usize = 192;
/// A name that makes a process a VM as it starts.
const VMM: &str = "qemu-system-standin";
/// One that doesn't.
pub const OTHER: &str = "some-other-program";

/// The kernel side with all hooks, as memtrace itself opens it on a small host.
pub fn open() -> Result<Probe> {
    open_with(Limits::default())
}

/// The same with other sizes of its maps.
pub fn open_with(limits: Limits) -> Result<Probe> {
    Probe::open(Path::new("/sys"), false, &limits, Hooking::Always)
}

/// The id of the calling thread.
pub fn thread_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Starts a stand-in for a VM.
pub fn start(dir: &Path) -> Result<StandIn> {
    StandIn::start(dir, VMM)
}

/// What is counted for a tracked process.
pub fn counters(kernel: &mut dyn KernelSide, pid: u32) -> Result<VmCounters> {
    let reading = kernel.read();
    ensure!(reading.problems.is_empty(), "{:?}", reading.problems);
    counters_in(&reading, pid)
}

fn counters_in(reading: &Reading, pid: u32) -> Result<VmCounters> {
    Ok(reading.vms.get(&pid).context("the process has no slot")?.counters)
}

/// The events of this kind that have come since the last call; others are dropped.
pub fn events(kernel: &mut dyn KernelSide, kind: u32) -> Vec<Arrived> {
    kernel.events().into_iter().filter(|arrived| arrived.event.kind == kind).collect()
}

/// A stand-in in a cgroup of its own within the pool.
pub struct Confined {
    // Dropped in this order: a cgroup is removed after its process.
    pub standin: StandIn,
    pub cgroup: Member,
}

impl Confined {
    /// A VM, which is not tracked yet. `name`: the first part of its cgroup's.
    pub fn vm(dir: &Path, name: &str) -> Result<Self> {
        Self::start(dir, VMM, name)
    }

    /// A VM that is tracked with its cgroup.
    pub fn tracked(kernel: &mut dyn KernelSide, dir: &Path, name: &str) -> Result<Self> {
        let vm = Self::vm(dir, name)?;
        kernel.track(vm.standin.pid(), &Belongings::of_cgroups([vm.cgroup.id()?]))?;
        Ok(vm)
    }

    /// A process that is no VM.
    pub fn other(dir: &Path, name: &str) -> Result<Self> {
        Self::start(dir, OTHER, name)
    }

    fn start(dir: &Path, program: &str, name: &str) -> Result<Self> {
        let standin = StandIn::start(dir, program)?;
        let name = format!("{name}-{}", standin.pid());
        let cgroup = Member::new(&pool::find()?, &name, standin.pid())?;
        Ok(Self { standin, cgroup })
    }

    pub fn counters(&self, reading: &Reading) -> Result<VmCounters> {
        counters_in(reading, self.standin.pid())
    }
}

/// Until what was given back has waited.
pub fn settle(kernel: &mut Probe) {
    for _ in 0..3 {
        kernel.read();
    }
}

/// Number of VMs that there is room for once freed slots have left quarantine, beside those that
/// are tracked. VMMs that meanwhile start on this machine count as well.
pub fn room(kernel: &mut Probe) -> usize {
    settle(kernel);
    let pids = (NO_PROCESS..).take_while(|pid| kernel.track(*pid, &Belongings::default()).is_ok());
    let pids: Vec<u32> = pids.collect();
    kernel.read();
    let strangers = kernel.census().unclaimed;
    pids.iter().for_each(|pid| kernel.forget(*pid));
    settle(kernel);
    pids.len() + strangers
}
