//! What a tick costs with so many VMs: sampling the host and deriving a snapshot, once a
//! second as memtrace itself does.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memtrace_core::model::derive;
use memtrace_core::sample::{Sample, VmSample};
use memtrace_core::source::Source;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{self, Hooking};
use memtrace_measure::bpftrace::Bpftrace;
use memtrace_measure::measured::Scale;
use memtrace_tests::wait;
use rustix::time::{ClockId, clock_gettime};

use crate::files;
use crate::herd::Herd;

/// Work that isn't done in each tick (looking for execs, who else is in a cgroup) comes
/// round within ten seconds.
const TICKS: u32 = 10;
/// How long bpftrace may take to end.
const PATIENCE: Duration = Duration::from_secs(20);
pub const TICK: Duration = Duration::from_secs(1);

/// Measures with `vms` stand-ins, which all sleep or are all busy.
pub fn measure(pool: &Path, vms: u32, busy: bool) -> Result<Scale> {
    let root = HostRoot::live().context("reading the table of mounts")?;
    let kernel = probe::open(Path::new("/sys"), false, Hooking::OnDemand)?;
    let mut source = LiveSource::new(root, Ok(kernel), LiveOptions { libvirt: false, qmp: false });
    source.sample(None)?;
    let mut scale = Scale { vms, busy, ticks: TICKS, ..Scale::default() };
    scale.resident_empty_bytes = resident()?;
    let herd = Herd::start(pool, vms, busy)?;
    // The first reading of so many processes is not the cost of a tick.
    let mut previous = wait::until("the stand-ins to be found", || {
        let sample = source.sample(None).ok()?;
        (sample.vms.len() >= vms as usize).then_some(sample)
    })?;
    for _ in 0..TICKS {
        source.wait(TICK);
        previous = tick(&mut source, &previous, &mut scale)?;
    }
    scale.sample_ns /= u64::from(TICKS);
    scale.derive_ns /= u64::from(TICKS);
    scale.moved /= TICKS;
    scale.resident_bytes = resident()?;
    scale.maps_bytes = maps()?;
    let counted = previous.vms.iter().filter(|vm| vm.counters.is_some()).count();
    scale.counted = counted.try_into()?;
    scale.syscalls = syscalls(&mut source)?;
    drop(source);
    scale.files = files::costs(&herd)?;
    Ok(scale)
}

fn tick(source: &mut LiveSource, previous: &Sample, scale: &mut Scale) -> Result<Sample> {
    let begun = cpu_ns();
    let sample = source.sample(None)?;
    let sampled = cpu_ns();
    let snapshot = derive(Some(previous), &sample);
    let derived = cpu_ns();
    ensure!(snapshot.vms.len() >= scale.vms as usize, "only {} VMs", snapshot.vms.len());
    scale.sample_ns += sampled - begun;
    scale.derive_ns += derived - sampled;
    scale.worst_ns = scale.worst_ns.max(derived - begun);
    scale.moved += moved(previous, &sample)?;
    Ok(sample)
}

/// How many VMs the kernel side counted something for.
pub fn moved(previous: &Sample, now: &Sample) -> Result<u32> {
    let before: HashMap<u32, _> = previous.vms.iter().map(|vm| (vm.pid, &vm.counters)).collect();
    let moved = |vm: &&VmSample| before.get(&vm.pid).is_none_or(|before| **before != vm.counters);
    Ok(now.vms.iter().filter(moved).count().try_into()?)
}

/// System calls of one sample, where bpftrace is there to count them.
fn syscalls(source: &mut LiveSource) -> Result<Option<u64>> {
    let program = format!(
        "tracepoint:raw_syscalls:sys_enter /pid == {}/ {{ @ = count(); }} \
         interval:s:3 {{ exit(); }}",
        std::process::id()
    );
    let Ok(bpftrace) = Bpftrace::start(&program) else { return Ok(None) };
    source.sample(None)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match bpftrace.lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => {
                if let Some(count) = line.strip_prefix("@: ") {
                    return Ok(count.trim().parse().ok());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(None)
}

/// CPU time of this process, all threads.
pub fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    Ok(kib.context("no VmRSS")?.trim().parse::<u64>()? * 1024)
}

/// What the BPF maps that we hold take of the kernel's memory.
fn maps() -> Result<u64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The descriptor of this very listing is gone by now.
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let number = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok())
        };
        if let Some((id, bytes)) = number("map_id:").zip(number("memlock:")) {
            maps.insert(id, bytes);
        }
    }
    Ok(maps.values().sum())
}
