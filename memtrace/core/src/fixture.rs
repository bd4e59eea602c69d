//! Snapshots for the tests of views and encoders: built directly where everything is known,
//! and of samples where it isn't. Tests only.

mod blind;
mod counted;
mod decided;
mod guest;
pub mod samples;

use std::sync::Arc;

use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_of};
use uuid::Uuid;

use crate::model::snapshot::{
    FlowView, HostView, Losses, Measured, SCHEMA_VERSION, Snapshot, ThreadView, VmView, untouched,
};
use crate::model::totals::{HostTotals, Totals};
use crate::sample::{Accelerator, Manager, Party, Psi, PsiLine, SwapDevice, VmId, VmState};
use crate::signal::{Quality, Signal, SignalStatus};
use crate::units::{ByteRate, Bytes, Limit, Nanos, Percent, Rate, WallNanos};

pub use blind::{unprivileged, without_kernel_side};
pub use decided::{called, enforced, observed};
use guest::guest_stats;

pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
/// 2026-11-22 21:31:05 UTC.
pub const WALL: WallNanos = WallNanos(1_795_383_065_000_000_000);

/// A VM that does well and of which everything is known.
pub fn vm(name: &str, pid: u32) -> VmView {
    let uuid = Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 + u128::from(pid));
    VmView {
        id: VmId::Uuid(uuid),
        name: name.to_owned(),
        uuid: Some(uuid),
        pid,
        vmm: "qemu-system-x86".to_owned(),
        accelerator: Some(Accelerator::Kvm),
        manager: Manager::Libvirt,
        state: Measured::exact(VmState::Running),
        cpu: Measured::exact(Percent(12.3)),
        balloon_actual: Measured::exact(Bytes(2 * GIB)),
        balloon_maximum: Measured::exact(Bytes(4 * GIB)),
        balloon_target: untouched(),
        rss: Measured::exact(Bytes(1_843 * MIB)),
        rss_shmem: Measured::exact(Bytes(0)),
        swap: Measured::exact(Bytes(0)),
        hugetlb: Measured::exact(Bytes(0)),
        locked: Measured::exact(Bytes(0)),
        faults: Measured::exact(Rate(42.0)),
        guest_faults: Measured::exact(Rate(40.0)),
        user_faults: Measured::exact(Rate(1.5)),
        kernel_faults: Measured::exact(Rate(0.5)),
        major_faults: Measured::exact(Rate(0.0)),
        async_faults: Measured::exact(Rate(0.0)),
        swap_in: Measured::exact(ByteRate(0.0)),
        swap_out: Measured::exact(ByteRate(0.0)),
        refaults: Measured::exact(Rate(0.0)),
        direct_reclaims: Measured::exact(Rate(0.0)),
        memcg_reclaims: Measured::exact(Rate(0.0)),
        throttles: Measured::exact(Rate(0.0)),
        compactions: Measured::exact(Rate(0.0)),
        stalled: Measured::exact(Percent(0.0)),
        caused: Measured::exact(Percent(0.0)),
        caused_pages: Measured::exact(Rate(0.0)),
        taken: Measured::exact(Rate(0.0)),
        reclaim_p50: Measured::absent("no reclaim in this interval"),
        reclaim_p99: Measured::absent("no reclaim in this interval"),
        async_fault_p50: Measured::absent("no asynchronous fault in this interval"),
        async_fault_p99: Measured::absent("no asynchronous fault in this interval"),
        reclaim_histogram: Measured::exact(Vec::new()),
        async_fault_histogram: Measured::exact(Vec::new()),
        swap_in_p50: Measured::absent("no swap-in in this interval"),
        swap_in_p99: Measured::absent("no swap-in in this interval"),
        swap_in_histogram: Measured::exact(Vec::new()),
        oom_kills: Measured::exact(0),
        oom_caused: Measured::exact(0),
        cgroup_path: Some(format!("/machine.slice/machine-qemu-{pid}.scope")),
        cgroup_usage: Measured::exact(Bytes(1_900 * MIB)),
        cgroup_limit: Measured::exact(Limit::Unlimited),
        cgroup_high: Measured::exact(Limit::Unlimited),
        psi: Measured::exact(psi(0.0)),
        guest_total: Measured::exact(Bytes(2 * GIB)),
        guest_available: Measured::exact(Bytes(900 * MIB)),
        guest_stats: Measured::exact(guest_stats()),
        guest_age: Measured::exact(Nanos(2_000_000_000)),
        dead: Measured::exact(Bytes(100 * MIB)),
        totals: Measured::exact(Totals::default()),
        waits: counted::waits(&[], Nanos(0)),
        threads: None,
    }
}

/// A VM that cycles through more memory than it is left with.
pub fn noisy() -> VmView {
    let mut histogram = vec![0; HISTOGRAM_BUCKETS];
    for (micros, count) in [(460, 3), (650, 40), (920, 120), (1300, 80), (2600, 12), (12_600, 1)] {
        histogram[bucket_of(micros * 1000)] = count;
    }
    VmView {
        swap: Measured::exact(Bytes(640 * MIB)),
        faults: Measured::exact(Rate(15_800.0)),
        major_faults: Measured::exact(Rate(5_120.0)),
        async_faults: Measured::exact(Rate(5_000.0)),
        swap_in: Measured::exact(ByteRate(20.0 * MIB as f64)),
        swap_out: Measured::approximate(ByteRate(22.5 * MIB as f64), "without memory.stat"),
        stalled: Measured::exact(Percent(38.4)),
        caused: Measured::exact(Percent(91.5)),
        caused_pages: Measured::exact(Rate(5_760.0)),
        taken: Measured::exact(Rate(5_500.0)),
        reclaim_p50: Measured::exact(Nanos(1_048_576)),
        reclaim_p99: Measured::exact(Nanos(3_670_016)),
        async_fault_p50: Measured::exact(Nanos(120_000)),
        async_fault_p99: Measured::exact(Nanos(2_400_000)),
        reclaim_histogram: Measured::exact(histogram.clone()),
        async_fault_histogram: Measured::exact(histogram.clone()),
        swap_in_p50: Measured::exact(Nanos(150_000)),
        swap_in_p99: Measured::exact(Nanos(2_600_000)),
        waits: counted::waits(&histogram, Nanos(310_000_000)),
        totals: counted::busy(),
        swap_in_histogram: Measured::exact(histogram),
        cgroup_limit: Measured::exact(Limit::At(Bytes(2 * GIB))),
        psi: Measured::exact(psi(41.2)),
        threads: Some(vec![
            thread(4242, "qemu-system-x86", 'S', 0.3, 0.0),
            thread(4245, "CPU 0/KVM", 'R', 88.0, 12.0),
            thread(4246, "CPU 1/KVM", 'D', 42.1, 3.0),
        ]),
        ..vm("noisy", 4242)
    }
}

/// A VM whose pages are taken by others.
pub fn victim() -> VmView {
    VmView {
        swap: Measured::exact(Bytes(300 * MIB)),
        faults: Measured::exact(Rate(310.0)),
        major_faults: Measured::exact(Rate(12.5)),
        swap_in: Measured::exact(ByteRate(51_200.0)),
        swap_out: Measured::approximate(ByteRate(2.2 * MIB as f64), "without memory.stat"),
        stalled: Measured::exact(Percent(2.25)),
        caused: Measured::exact(Percent(0.4)),
        taken: Measured::exact(Rate(560.0)),
        psi: Measured::exact(psi(3.1)),
        guest_available: Measured::approximate(
            Bytes(420 * MIB),
            "the guest last answered 95 s ago",
        ),
        guest_age: Measured::exact(Nanos(95_000_000_000)),
        ..vm("victim", 4300)
    }
}

/// A busy host with these VMs.
pub fn snapshot(vms: Vec<VmView>) -> Snapshot {
    Snapshot {
        schema_version: SCHEMA_VERSION,
        wall: WALL,
        interval: Some(Nanos::SECOND),
        host: host(),
        flows: Measured::exact(Vec::new()),
        signals: Signal::ALL.into_iter().map(|signal| status(signal, Quality::Exact)).collect(),
        notices: Vec::new(),
        vms,
    }
}

/// Three VMs, as the demo has them, with flows and signals of every quality.
pub fn demo() -> Arc<Snapshot> {
    let mut snapshot = snapshot(vec![noisy(), victim(), vm("idle", 4400)]);
    let [noisy, victim] = [0, 1].map(|index: usize| Party::Vm(snapshot.vms[index].id));
    snapshot.flows = Measured::exact(vec![
        flow(noisy, noisy, 5_200.0),
        flow(noisy, victim, 540.0),
        flow(Party::Kswapd, noisy, 300.0),
        flow(Party::Other, victim, 20.0),
    ]);
    snapshot.signals = Signal::ALL
        .into_iter()
        .map(|signal| match signal {
            Signal::SwapOut => {
                status(signal, Quality::approximate("rss_stat only: no memcg events here"))
            }
            Signal::Throttling => {
                status(signal, Quality::absent("mm_vmscan_throttled is not in this kernel"))
            }
            signal => status(signal, Quality::Exact),
        })
        .collect();
    Arc::new(snapshot)
}

pub fn thread(tid: u32, name: &str, state: char, cpu: f64, major: f64) -> ThreadView {
    ThreadView {
        tid,
        name: name.to_owned(),
        state,
        cpu: Measured::exact(Percent(cpu)),
        minor_faults: Measured::exact(Rate(7.0)),
        major_faults: Measured::exact(Rate(major)),
    }
}

fn host() -> HostView {
    HostView {
        hostname: Some("kvm-7".to_owned()),
        kernel: Some("6.12.9".to_owned()),
        cpus: Some(8),
        memory_total: Measured::exact(Bytes(16 * GIB)),
        memory_available: Measured::exact(Bytes(3 * GIB)),
        memory_free: Measured::exact(Bytes(GIB)),
        memory_cached: Measured::exact(Bytes(2 * GIB)),
        swap_total: Measured::exact(Bytes(8 * GIB)),
        swap_used: Measured::exact(Bytes(940 * MIB)),
        swap_in: Measured::exact(ByteRate(20.0 * MIB as f64)),
        swap_out: Measured::exact(ByteRate(24.7 * MIB as f64)),
        swaps: vec![SwapDevice {
            path: "/dev/sda2".to_owned(),
            kind: "partition".to_owned(),
            size: Bytes(8 * GIB),
            used: Bytes(940 * MIB),
            priority: -2,
        }],
        psi: Measured::exact(psi(12.5)),
        kswapd_active: Measured::exact(Percent(7.5)),
        kswapd_reclaim: Measured::exact(ByteRate(1.2 * MIB as f64)),
        direct_reclaims: Measured::exact(Rate(3.0)),
        memcg_reclaims: Measured::exact(Rate(120.0)),
        allocated: Measured::exact(Bytes(26 * GIB)),
        overcommit: Measured::exact(1.625),
        losses: Measured::exact(Losses::default()),
        totals: Measured::exact(HostTotals { vm_oom_kills: Some(0), ..HostTotals::default() }),
    }
}

fn psi(some: f64) -> Psi {
    let line = |avg10: f64| PsiLine { avg10, avg60: avg10 / 2.0, avg300: avg10 / 5.0, total_us: 9 };
    Psi { some: line(some), full: Some(line(some / 4.0)) }
}

fn flow(causer: Party, victim: Party, pages: f64) -> FlowView {
    FlowView { causer, victim, pages: Rate(pages), total_pages: pages as u64 * 60 }
}

fn status(signal: Signal, quality: Quality) -> SignalStatus {
    let source = (!quality.is_absent()).then(|| format!("raw_tp {}", signal.title()));
    SignalStatus { signal, source, hooked: true, quality }
}
