//! What hosts are drawn from. Nothing here is measured by memtrace; each table has its source,
//! or is an assumption. Weights are relative; per cent are whole numbers.
//!
//! Bounds of the population, as they were set for it: hosts of 8 GiB to 1 TiB, 2 to 200 VMs,
//! 1.0 to 2.5 times overcommitted. What guides to KVM advise is at
//! most 1.5 to 2, so that a third of the population is beyond that.
//!
//! A day is shorter than in reality: policies act in seconds, and a load that changes over ten
//! minutes is harder to follow than one that takes half a day. Assumption.

use std::ops::RangeInclusive;

use crate::sim::scenario::{BalloonKind, StatisticsKind};

type Between = RangeInclusive<u64>;

/// Length of a scenario in virtual seconds.
pub(super) const SECONDS: u64 = 1200;

/// Memory of a host in GiB. Assumption: what servers of the last ten years were sold with,
/// and the small machines of branch offices and labs.
pub(super) const HOST_GIB: [(u64, u64); 9] =
    [(6, 8), (8, 16), (14, 32), (18, 64), (18, 128), (14, 256), (6, 384), (10, 512), (6, 1024)];

/// VMs on a host. Assumption: most hosts have some ten, few have hundreds.
pub(super) const VMS: [(u64, Between); 5] =
    [(17, 2..=4), (35, 5..=12), (32, 13..=30), (12, 31..=80), (4, 81..=200)];
/// Least that a VM has on the average, in MiB.
pub(super) const LEAST_VM_MIB: u64 = 1536;
/// Most that a VM has on the average, in MiB: large hosts are bought for many VMs.
pub(super) const MOST_VM_MIB: u64 = 64 * 1024;
/// Sizes of VMs beside each other. Assumption, after the flavours of clouds, which double.
pub(super) const SIZES: [(u64, u64); 4] = [(40, 1), (35, 2), (18, 4), (7, 8)];
/// VM sizes are multiples of this, in MiB.
pub(super) const SIZE_STEP_MIB: u64 = 256;
/// Memory of all VMs, of the host's.
pub(super) const OVERCOMMIT_PERCENT: Between = 100..=250;

/// What the host keeps for itself: a part of its memory, and so many MiB.
pub(super) const RESERVED_PERCENT: Between = 1..=3;
pub(super) const RESERVED_MIB: Between = 384..=1024;
pub(super) const HOST_CACHE_PERCENT: Between = 1..=4;

/// Peak demand of VMs as a share of their memory: the mean of a host, and how far VMs deviate from
/// it. Assumption: hosts are sized for peaks and half used (guides to KVM have examples with 50 to
/// 75 %).
pub(super) const USE_PERCENT: Between = 45..=80;
pub(super) const USE_SPREAD: Between = 0..=30;
/// Upper bound of a VM's demand as a share of its memory, so that each guest by itself has enough.
pub(super) const MOST_USE_PERCENT: u64 = 85;

/// A swap device of the host.
#[derive(Clone, Debug)]
pub(super) struct Swap {
    /// MiB a second of 4 KiB pages, reads and writes together, and the latency of one read.
    pub(super) mib_per_second: Between,
    pub(super) latency_us: Between,
    /// Its size, of the host's memory.
    pub(super) percent: Between,
    pub(super) zram: bool,
}

/// Speeds are of random 4 KiB pages as data sheets have them for queue depths of some ten:
/// NVMe 200 to 500 thousand a second, SATA 30 to 90 thousand, a disk some hundred, with
/// clusters of 8 pages; zram as its compressor. Shares and sizes are assumptions.
pub(super) const SWAPS: [(u64, Swap); 5] = [
    (28, Swap { mib_per_second: 800..=2000, latency_us: 80..=120, percent: 25..=100, zram: false }),
    (32, Swap { mib_per_second: 120..=350, latency_us: 150..=400, percent: 25..=100, zram: false }),
    (
        15,
        Swap { mib_per_second: 4..=16, latency_us: 4000..=10_000, percent: 25..=100, zram: false },
    ),
    (13, Swap { mib_per_second: 1000..=3000, latency_us: 5..=20, percent: 25..=75, zram: true }),
    (12, Swap { mib_per_second: 1..=1, latency_us: 1..=1, percent: 0..=0, zram: false }),
];

/// What a VM is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Idle,
    /// By day.
    Web,
    /// By night.
    Batch,
    Database,
    /// A database that forks for its snapshots, and copies what is written meanwhile.
    Snapshots,
    Bursts,
    /// Two VMs that need the memory in turn.
    Turns,
    Leaks,
    /// A heap that grows and is kept.
    Heap,
    /// A hot page cache.
    Files,
    /// Files that are read once.
    Streams,
    Windows,
    /// Starts in the course of the scenario.
    Starts,
    Reboots,
}

/// Assumption.
pub(super) const ROLES: [(u64, Role); 14] = [
    (14, Role::Idle),
    (12, Role::Web),
    (8, Role::Batch),
    (10, Role::Database),
    (5, Role::Snapshots),
    (8, Role::Bursts),
    (6, Role::Turns),
    (5, Role::Leaks),
    (9, Role::Heap),
    (8, Role::Files),
    (6, Role::Streams),
    (8, Role::Windows),
    (4, Role::Starts),
    (4, Role::Reboots),
];

/// A day of a host.
pub(super) const DAY: Between = 600..=1200;
/// What is left of hot memory in the quiet half of a day, or between bursts.
pub(super) const QUIET_PERCENT: Between = 20..=60;
/// Bursts: how often, how long.
pub(super) const BURST_EVERY: Between = 60..=300;
pub(super) const BURST_LASTS: Between = 10..=60;
/// A turn of VMs that need memory one after the other.
pub(super) const TURN: Between = 10..=60;
/// A leak takes so long from its beginning to its end, as does a heap that fills.
pub(super) const LEAK_SECONDS: Between = 400..=2400;
pub(super) const HEAP_SECONDS: Between = 60..=600;
/// Snapshots: how often, how long, and how much of the hot memory is copied by their end.
pub(super) const SNAPSHOT_EVERY: Between = 240..=600;
pub(super) const SNAPSHOT_LASTS: Between = 30..=120;
pub(super) const COPIED_PERCENT: Between = 15..=60;
/// Files read once: MiB a second, of those whose work it is and of others.
pub(super) const STREAM_MIB: Between = 20..=80;
pub(super) const TRICKLE_MIB: Between = 0..=10;
/// What programs allocate or free in a second at most, in MiB, averaged over a burst.
pub(super) const BURST_MIB_PER_SECOND: u64 = 128;
/// Most memory of VMs that start or reboot meanwhile, in MiB: filling more takes the whole time.
pub(super) const BOOTING_MIB: u64 = 16 * 1024;
/// When late VMs start, and how long they boot.
pub(super) const STARTS_AT: Between = 30..=600;
pub(super) const BOOT_SECONDS: Between = 20..=60;
/// A boot touches a half to a sixth of memory (Windows zeroes all; most Linux guests a part).
pub(super) const BOOT_PARTS: Between = 2..=6;
pub(super) const REBOOTS_AT: Between = 60..=1000;

/// Hosts where VMs start together, as after a power cut; which of those that could, and within how
/// many seconds. Assumption.
pub(super) const STORM_PERCENT: u64 = 8;
pub(super) const STORM_STARTS_PERCENT: u64 = 70;
pub(super) const STORM_LASTS: Between = 0..=30;

/// VMs that ask what is available before they allocate: heaps and those that take turns, and
/// all others. JVMs and most databases size themselves at their start alone. Assumption.
pub(super) const ASKS_PERCENT: u64 = 50;
pub(super) const OTHERS_ASK_PERCENT: u64 = 8;

/// Of the memory that a VM's load doesn't need: the share that is page cache read once, and of the
/// rest the share that was freed in the guest and is still held by the host. Guests that ran long
/// have touched most of their memory (4721 of 7940 MiB free and held by the host in shakenfist's
/// issue 3920).
pub(super) const READ_ONCE_PERCENT: Between = 0..=80;
pub(super) const DEAD_PERCENT: Between = 0..=80;

/// Guests with a swap of their own, of those with zram, and its size of their memory: half of
/// distributions' installers make one. Assumption.
pub(super) const OWN_SWAP_PERCENT: u64 = 50;
pub(super) const OWN_ZRAM_PERCENT: u64 = 20;
pub(super) const OWN_SWAP_SHARE: Between = 10..=50;
/// Balloons with deflate-on-oom (memtrace's doctor recommends it, libvirt's default is off),
/// and with free page reporting (QEMU 5.1; off unless asked for). Assumptions.
pub(super) const DEFLATE_PERCENT: u64 = 30;
pub(super) const REPORTING_PERCENT: u64 = 15;

/// Share of hosts whose guests all behave. On the others this share of VMs is faulty. Assumption.
pub(super) const COOPERATIVE_PERCENT: u64 = 50;
pub(super) const FAULTY_PERCENT: Between = 10..=60;

/// What may be wrong with a VM.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Balloon(BalloonKind),
    Statistics(StatisticsKind),
    /// They stop in the course of the scenario.
    Stops,
    Pinned,
    Migrates,
}

/// Assumption, after what users report: no driver, no service of it (so no statistics), a
/// balloon that crawls or stops half-way, statistics that stop.
pub(super) const FAULTS: [(u64, Fault); 10] = [
    (20, Fault::Balloon(BalloonKind::None)),
    (10, Fault::Balloon(BalloonKind::Slow)),
    (8, Fault::Balloon(BalloonKind::HalfStuck)),
    (8, Fault::Balloon(BalloonKind::Stuck)),
    (18, Fault::Statistics(StatisticsKind::None)),
    (5, Fault::Statistics(StatisticsKind::ClaimsNeed)),
    (5, Fault::Statistics(StatisticsKind::ClaimsPlenty)),
    (12, Fault::Stops),
    (8, Fault::Pinned),
    (6, Fault::Migrates),
];
/// Pinned VMs have at most this share of the host together, because pinning more than there is
/// fails.
pub(super) const PINNED_PERCENT: u64 = 25;
/// When statistics stop, a VM migrates, or libvirt goes away, and for how long.
pub(super) const TROUBLE_AT: Between = 60..=900;
pub(super) const TROUBLE_LASTS: Between = 30..=300;
/// Hosts with faults where libvirt goes away for a while.
pub(super) const AWAY_PERCENT: u64 = 20;

/// Demand is reduced by this factor for a host that would initially exceed its memory and swap, or
/// would have hot memory in swap: its operator would have noticed.
pub(super) const EASED_PERCENT: [u64; 8] = [100, 85, 70, 57, 45, 35, 25, 15];
