//! Samples to test with: everything is known, every signal exact, every counter zero,
//! until a test says otherwise.

use memtrace_ebpf::{HISTOGRAM_BUCKETS, VmCounters};
use uuid::Uuid;

use crate::model::snapshot::VmView;
use crate::model::{Snapshot, derive};
use crate::sample::{
    Accelerator, CgroupSample, FlowSample, GuestSample, GuestStats, HistogramsSample,
    HostCountersSample, HostSample, Manager, Meminfo, MemoryStat, Party, ProcessSample, Psi,
    PsiLine, Sample, SwapDevice, ThreadSample, VmId, VmSample, VmState, Vmstat,
};
use crate::signal::{Quality, Signal, SignalStatus};
use crate::source::Source;
use crate::units::{Bytes, Limit, Nanos, Pages, WallNanos};

pub(crate) const MIB: u64 = 1024 * 1024;
pub(crate) const GIB: u64 = 1024 * MIB;
/// Wall time of second 0.
const EPOCH: u64 = 1_700_000_000_000_000_000;

/// A sample taken `second` seconds after boot.
pub(crate) fn sample(second: u64, vms: Vec<VmSample>) -> Sample {
    Sample {
        at: Nanos(second * Nanos::SECOND.0),
        wall: WallNanos(EPOCH + second * Nanos::SECOND.0),
        page_size: Bytes(4096),
        host: host(),
        vms,
        flows: Some(Vec::new()),
        signals: Signal::ALL.map(exact).to_vec(),
        notices: Vec::new(),
    }
}

/// A source of samples with one VM, a second apart in their own time, as fast as it is asked.
pub(crate) struct Seconds {
    now: u64,
    last: u64,
}

impl Seconds {
    pub(crate) fn endless() -> Self {
        Self::until(u64::MAX)
    }

    /// It fails after the second `last`.
    pub(crate) fn until(last: u64) -> Self {
        Self { now: 0, last }
    }
}

impl Source for Seconds {
    fn sample(&mut self, _: Option<VmId>) -> anyhow::Result<Sample> {
        self.now += 1;
        anyhow::ensure!(self.now <= self.last, "the host is gone");
        Ok(sample(self.now, vec![vm("a", 7)]))
    }
}

/// A VM with a UUID made of its pid.
pub(crate) fn vm(name: &str, pid: u32) -> VmSample {
    let uuid = Uuid::from_u128(u128::from(pid));
    VmSample {
        id: VmId::Uuid(uuid),
        name: name.into(),
        uuid: Some(uuid),
        pid,
        start: 1000 + u64::from(pid),
        vmm: "qemu-system-x86".into(),
        accelerator: Some(Accelerator::Kvm),
        manager: Manager::Libvirt,
        state: Some(VmState::Running),
        allocated: Some(Bytes(GIB)),
        vcpus: Some(2),
        vfio: Some(false),
        process: process(),
        cgroup: Some(cgroup(name)),
        guest: guest(),
        counters: Some(VmCounters::default()),
        histograms: Some(histograms()),
        counted_from_start: true,
        swap_base: None,
        threads: Some(vec![thread(pid)]),
    }
}

/// The same VM with other counters.
pub(crate) fn counting(mut vm: VmSample, change: impl FnOnce(&mut VmCounters)) -> VmSample {
    change(vm.counters.get_or_insert_default());
    vm
}

/// The only VM, one second later, after `change`.
pub(crate) fn after(change: impl FnOnce(&mut VmSample)) -> VmView {
    between(|_| {}, change)
}

/// The only VM after one second in which it went from `before` to `now`.
pub(crate) fn between(
    before: impl FnOnce(&mut VmSample),
    now: impl FnOnce(&mut VmSample),
) -> VmView {
    let (mut first, mut second) = (vm("a", 7), vm("a", 7));
    before(&mut first);
    now(&mut second);
    only_vm(derive(Some(&sample(10, vec![first])), &sample(11, vec![second])))
}

pub(crate) fn only_vm(snapshot: Snapshot) -> VmView {
    snapshot.vms.into_iter().next().expect("the sample has a VM")
}

/// Sets what the kernel side says of one signal.
pub(crate) fn set_signal(sample: &mut Sample, signal: Signal, quality: Quality) {
    for status in sample.signals.iter_mut().filter(|status| status.signal == signal) {
        status.hooked = !quality.is_absent();
        status.quality = quality.clone();
    }
}

pub(crate) fn flow(causer: Party, victim: Party, pages: u64) -> FlowSample {
    FlowSample { causer, victim, pages: Pages(pages) }
}

pub(crate) fn party(vm: &VmSample) -> Party {
    Party::Vm(vm.id)
}

fn exact(signal: Signal) -> SignalStatus {
    let source = Some("raw_tp test".into());
    SignalStatus { signal, source, hooked: true, quality: Quality::Exact }
}

fn host() -> HostSample {
    HostSample {
        hostname: Some("host".into()),
        kernel: Some("6.18.44".into()),
        cpus: Some(8),
        meminfo: Some(Meminfo {
            total: Bytes(16 * GIB),
            free: Bytes(GIB),
            available: Bytes(4 * GIB),
            buffers: Bytes(64 * MIB),
            cached: Bytes(2 * GIB),
            swap_total: Bytes(8 * GIB),
            swap_free: Bytes(6 * GIB),
            swap_cached: Bytes(MIB),
            shmem: Some(Bytes(MIB)),
            anon: Some(Bytes(8 * GIB)),
            hugetlb: Some(Bytes(0)),
            committed: Some(Bytes(12 * GIB)),
        }),
        vmstat: Some(vmstat()),
        psi: Some(psi(1.5)),
        swaps: Some(vec![SwapDevice {
            path: "/swapfile".into(),
            kind: "file".into(),
            size: Bytes(8 * GIB),
            used: Bytes(2 * GIB),
            priority: -2,
        }]),
        arc_reclaimable: Some(Bytes(0)),
        scope: None,
        counters: Some(HostCountersSample::default()),
    }
}

fn vmstat() -> Vmstat {
    Vmstat {
        pswpin: Some(0),
        pswpout: Some(0),
        pgfault: Some(0),
        pgmajfault: Some(0),
        pgscan_kswapd: Some(0),
        pgsteal_kswapd: Some(0),
        pgscan_direct: Some(0),
        pgsteal_direct: Some(0),
        allocstall: Some(0),
        compact_stall: Some(0),
        workingset_refault_anon: Some(0),
        workingset_refault_file: Some(0),
        oom_kill: Some(0),
        zswpin: Some(0),
        zswpout: Some(0),
    }
}

fn psi(avg10: f64) -> Psi {
    let line = PsiLine { avg10, avg60: 0.5, avg300: 0.25, total_us: 1234 };
    Psi { some: line, full: Some(line) }
}

fn process() -> ProcessSample {
    ProcessSample {
        rss: Some(Bytes(800 * MIB)),
        rss_anon: Some(Bytes(790 * MIB)),
        rss_file: Some(Bytes(10 * MIB)),
        rss_shmem: Some(Bytes(0)),
        swap: Some(Bytes(200 * MIB)),
        hugetlb: Some(Bytes(0)),
        locked: Some(Bytes(0)),
        minor_faults: Some(0),
        major_faults: Some(0),
        cpu_time: Some(Nanos(0)),
        threads: Some(4),
    }
}

fn cgroup(name: &str) -> CgroupSample {
    CgroupSample {
        version: 2,
        path: format!("/machine.slice/{name}"),
        vms: 1,
        alone: true,
        usage: Some(Bytes(900 * MIB)),
        limit: Some(Limit::At(Bytes(GIB))),
        high: Some(Limit::At(Bytes(GIB))),
        swap: Some(Bytes(210 * MIB)),
        stat: MemoryStat {
            anon: Some(Bytes(790 * MIB)),
            file: Some(Bytes(10 * MIB)),
            shmem: Some(Bytes(0)),
            pgfault: Some(0),
            pgmajfault: Some(0),
            pswpin: Some(0),
            pswpout: Some(0),
            pgscan: Some(0),
            pgsteal: Some(0),
            workingset_refault_anon: Some(0),
            workingset_refault_file: Some(0),
        },
        limit_hits: Some(0),
        oom_kills: Some(0),
        psi: Some(psi(3.0)),
        problem: None,
    }
}

fn guest() -> GuestSample {
    GuestSample {
        actual: Some(Bytes(GIB)),
        maximum: Some(Bytes(GIB)),
        stats: Some(GuestStats {
            updated: Some(WallNanos(EPOCH + 10 * Nanos::SECOND.0)),
            total: Some(Bytes(980 * MIB)),
            free: Some(Bytes(80 * MIB)),
            available: Some(Bytes(300 * MIB)),
            disk_caches: Some(Bytes(200 * MIB)),
            swap_in: Some(Bytes(0)),
            swap_out: Some(Bytes(0)),
            major_faults: Some(5),
            minor_faults: Some(500),
            oom_kills: Some(0),
        }),
        problem: None,
        ..GuestSample::default()
    }
}

fn histograms() -> HistogramsSample {
    HistogramsSample {
        reclaim: vec![0; HISTOGRAM_BUCKETS],
        async_fault: vec![0; HISTOGRAM_BUCKETS],
        swap_in: vec![0; HISTOGRAM_BUCKETS],
    }
}

fn thread(tid: u32) -> ThreadSample {
    ThreadSample {
        tid,
        name: "CPU 0/KVM".into(),
        state: 'S',
        minor_faults: 0,
        major_faults: 0,
        cpu_time: Nanos(0),
    }
}
