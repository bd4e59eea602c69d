//! The host and its guests. Each has a need by construction, with some noise below it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use memtrace_core::fixture::samples;
use memtrace_core::sample::{GuestStats, Sample, SwapDevice, VmSample};
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_store::recording::{Limits, Record, Recorder};

pub(super) use samples::{GIB, MIB};

/// From one sample to the next.
pub(in crate::command::advise) const STEP: u64 = 900;
const DAY: u64 = 86_400;
/// So many times slower goes the clock that a recording's frames go by, or they would hold a
/// sample each, and writing them take minutes.
const COMPRESSED: u64 = 9000;
/// Midnight of 2026-10-01 in UTC, in seconds.
pub(in crate::command::advise) const BEGIN: u64 = 1_790_812_800;

pub(super) const INSTALLED: u64 = 96 * GIB;
/// The sum over `guests`.
pub(super) const ALLOCATED: u64 = (4 + 16 + 16 + 8 + 8 + 8 + 2 + 8 + 4 + 4) * GIB;
/// What the host uses for itself.
const OWN: u64 = 3 * GIB;
/// Memory on the host of the VM without statistics.
const SILENT: u64 = 2 * GIB;

pub(super) struct Month(TempDir);

/// A guest in a moment.
struct Guest {
    name: &'static str,
    size: u64,
    need: u64,
    /// Of what it could give up: in its caches.
    caches: u64,
    resident: u64,
    swap: u64,
}

impl Month {
    pub(super) fn recorded(days: u64) -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        let limits = Limits { time: compressed(DAY), ..Limits::default() };
        let mut recorder = Recorder::open(directory.path(), limits).expect("it is free");
        for step in 0..=days * DAY / STEP {
            let sample = sample(step * STEP);
            recorder.push(Record { sample, reaction: None }).expect("it is written");
        }
        recorder.close().expect("it is closed");
        Self(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The second one.
    pub(super) fn a_file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.path()).expect("it can be read");
        let mut files: Vec<PathBuf> =
            files.filter_map(|file| file.ok().map(|file| file.path())).collect();
        files.retain(|file| file.extension().is_some());
        files.sort();
        files.swap_remove(1)
    }
}

/// At the end of the month, by day or by night: the two take turns.
pub(super) fn together_peak() -> u64 {
    let tenths = 31 + 80 + 20 + 60 + 20 + 34 + 3 + 70 + 39;
    tenths * GIB / 10 + SILENT
}

/// With the reserve of the policy: 857 MiB and a hundredth of what is beyond 28 GiB.
pub(super) fn usable() -> u64 {
    INSTALLED - OWN - 857 * MIB - 68 * GIB / 100
}

fn guests(second: u64) -> Vec<Guest> {
    let is_day = (8..18).contains(&(second % DAY / 3600));
    // Up to a fiftieth under what is said, the same each time.
    let noise =
        |need: u64, salt: u64| need - (second / STEP * 7919 + salt * 131) % 97 * need / 4850;
    let guest = |name, size: u64, need: u64| Guest {
        name,
        size: size * GIB,
        need,
        caches: (size * GIB - need) / 2,
        resident: need + (size * GIB - need) / 4,
        swap: 0,
    };
    let gib = |tenths: u64, salt| noise(tenths * GIB / 10, salt);
    let grown = 4 * GIB + 2 * GIB * second / (30 * DAY);
    let hurts = second % (2 * DAY) == 12 * 3600;
    let dead = guest("dead", 8, 8192 * MIB - 4721 * MIB);
    let cache = guest("cache", 8, gib(20, 5));
    vec![
        guest("steady", 4, gib(31, 1)),
        guest("day", 16, gib(if is_day { 80 } else { 20 }, 2)),
        guest("night", 16, gib(if is_day { 20 } else { 80 }, 3)),
        guest("growing", 8, grown),
        Guest { caches: 6 * GIB - 200 * MIB, resident: 15 * GIB / 2, ..cache },
        Guest { resident: 3_396_252 << 10, swap: 5_155_624 << 10, caches: 0, ..dead },
        guest("idle", 2, gib(3, 6)),
        guest("near", 8, gib(70, 7)),
        guest("hurt", 4, if hurts { 4 * GIB - 100 * MIB } else { gib(28, 8) }),
    ]
}

fn compressed(second: u64) -> Nanos {
    Nanos(second * Nanos::SECOND.0 / COMPRESSED)
}

/// This many seconds after its beginning.
pub(in crate::command::advise) fn sample(second: u64) -> Sample {
    let wall = WallNanos((BEGIN + second) * Nanos::SECOND.0);
    let guests = guests(second);
    let mut vms: Vec<VmSample> =
        (1..).zip(&guests).map(|(pid, guest)| vm(pid, guest, wall)).collect();
    let silent =
        Guest { name: "silent", size: 4 * GIB, need: 0, caches: 0, resident: SILENT, swap: 0 };
    let mut silent = vm(10, &silent, wall);
    silent.guest.stats = None;
    silent.guest.problem = Some("no balloon device".into());
    (silent.guest.actual, silent.guest.maximum) = (None, None);
    silent.allocated = Some(Bytes(4 * GIB));
    vms.push(silent);
    let mut sample = samples::sample(second, vms);
    (sample.at, sample.wall) = (compressed(second), wall);
    (sample.host.counters, sample.flows) = (None, None);
    sample.signals.clear();
    let resident: u64 = guests.iter().map(|guest| guest.resident).sum::<u64>() + SILENT;
    let swap: u64 = guests.iter().map(|guest| guest.swap).sum();
    if let Some(meminfo) = &mut sample.host.meminfo {
        meminfo.total = Bytes(INSTALLED);
        meminfo.available = Bytes(INSTALLED - OWN - resident);
        (meminfo.swap_total, meminfo.swap_free) = (Bytes(16 * GIB), Bytes(16 * GIB - swap));
    }
    sample.host.swaps = Some(vec![SwapDevice {
        path: "/dev/sda2".into(),
        kind: "partition".into(),
        size: Bytes(16 * GIB),
        used: Bytes(swap),
        priority: -2,
    }]);
    sample
}

fn vm(pid: u32, guest: &Guest, wall: WallNanos) -> VmSample {
    let mut vm = samples::vm(guest.name, pid);
    (vm.process.rss, vm.process.swap) = (Some(Bytes(guest.resident)), Some(Bytes(guest.swap)));
    (vm.guest.actual, vm.guest.maximum) = (Some(Bytes(guest.size)), Some(Bytes(guest.size)));
    // What advice doesn't look at would take most of the time to write and read.
    (vm.threads, vm.histograms, vm.counters, vm.cgroup) = (None, None, None, None);
    let spare = guest.size - guest.need;
    vm.guest.stats = Some(GuestStats {
        updated: Some(wall),
        // Its kernel keeps some for itself.
        total: Some(Bytes(guest.size - 252 * MIB)),
        free: Some(Bytes(spare - guest.caches)),
        available: Some(Bytes(spare)),
        disk_caches: Some(Bytes(guest.caches)),
        swap_in: Some(Bytes(0)),
        swap_out: Some(Bytes(0)),
        major_faults: Some(5),
        minor_faults: Some(500),
        oom_kills: Some(0),
    });
    vm
}
