//! The samples that memtrace would read on the simulated host, so that everything after them is the
//! code that runs live.

use memtrace_ebpf::VmCounters;

use super::host::{Host, Vm};
use super::size::{PAGE, bytes};
use super::statistics::wall;
use crate::sample::{
    Accelerator, CgroupSample, Claims, FlowSample, GuestSample, HostCountersSample, HostSample,
    Manager, Meminfo, MemoryStat, ProcessSample, Sample, SwapDevice, VmLabels, VmSample, VmState,
    Vmstat,
};
use crate::signal::{Quality, Signal, SignalStatus};
use crate::units::{Bytes, Limit, Nanos, Pages};

/// Age of the guests that were there before the scenario began, for their CPU time.
const BEFORE: u64 = 3600;

pub(super) fn sample(host: &Host) -> Sample {
    let running = host.vms.iter().filter(|vm| vm.guest.runs(host.second));
    let flow = |((causer, victim), pages): (&(_, _), &u64)| FlowSample {
        causer: *causer,
        victim: *victim,
        pages: Pages(*pages),
    };
    Sample {
        at: Nanos(host.second * Nanos::SECOND.0),
        wall: wall(host.second),
        page_size: PAGE,
        host: of_host(host),
        vms: running.map(|vm| of_vm(host, vm)).collect(),
        flows: host.totals.flows.as_ref().map(|flows| flows.iter().map(flow).collect()),
        signals: Signal::ALL.map(exact).to_vec(),
        notices: Vec::new(),
    }
}

fn exact(signal: Signal) -> SignalStatus {
    let source = Some("simulation".into());
    SignalStatus { signal, source, hooked: true, quality: Quality::Exact }
}

fn of_host(host: &Host) -> HostSample {
    let mut counters = HostCountersSample::default();
    counters.host.kswapd_active_ns = host.totals.kswapd_ns;
    HostSample {
        hostname: Some("simulated".into()),
        kernel: None,
        cpus: Some(16),
        meminfo: Some(meminfo(host)),
        vmstat: Some(vmstat(host)),
        psi: Some(host.pressure.psi()),
        arc_reclaimable: Some(Bytes(0)),
        merges_zeros: Some(false),
        swaps: Some(swaps(host)),
        scope: None,
        counters: Some(counters),
        hooks: None,
    }
}

fn swaps(host: &Host) -> Vec<SwapDevice> {
    if host.swap.size == 0 {
        return Vec::new();
    }
    vec![SwapDevice {
        path: "/dev/simulated".into(),
        kind: "partition".into(),
        size: bytes(host.swap.size),
        used: bytes(host.swap.used),
        priority: -2,
    }]
}

fn meminfo(host: &Host) -> Meminfo {
    let memory = &host.memory;
    let clean = memory.cache.saturating_sub(memory.cache_floor);
    // si_mem_available() in mm/show_mem.c.
    let available = (memory.free + clean).saturating_sub(memory.marks.high);
    Meminfo {
        total: bytes(memory.total),
        free: bytes(memory.free),
        available: bytes(available),
        buffers: Bytes(0),
        cached: bytes(memory.cache),
        swap_total: bytes(host.swap.size),
        swap_free: bytes(host.swap.size - host.swap.used),
        swap_cached: Bytes(0),
        shmem: Some(Bytes(0)),
        anon: None,
        hugetlb: Some(Bytes(0)),
        committed: None,
    }
}

fn vmstat(host: &Host) -> Vmstat {
    let sum = |field: fn(&Vm) -> u64| Some(host.vms.iter().map(field).sum::<u64>());
    Vmstat {
        pswpin: sum(|vm| vm.suffered.swap_in),
        pswpout: sum(|vm| vm.suffered.swap_out),
        pgfault: sum(|vm| vm.suffered.first_touches + vm.suffered.swap_in),
        pgmajfault: sum(|vm| vm.suffered.swap_in),
        pgsteal_kswapd: Some(host.totals.stolen_by_kswapd),
        pgsteal_direct: Some(host.totals.stolen_directly),
        allocstall: Some(host.totals.direct_reclaims),
        workingset_refault_anon: sum(|vm| vm.suffered.refaults),
        oom_kill: Some(host.totals.kills),
        ..Vmstat::default()
    }
}

fn of_vm(host: &Host, vm: &Vm) -> VmSample {
    let guest = &vm.guest;
    let state = if guest.migrates(host.second) { VmState::Migrating } else { VmState::Running };
    let long_before = if guest.starts == 0 { BEFORE * u64::from(guest.spec.vcpus) } else { 0 };
    let uuid = match guest.id {
        crate::sample::VmId::Uuid(uuid) => Some(uuid),
        crate::sample::VmId::Process { .. } => None,
    };
    let swapped = bytes(guest.memory.swapped());
    let resident = bytes(guest.memory.resident());
    VmSample {
        id: guest.id,
        name: guest.name.clone(),
        uuid,
        claims: Claims::default(),
        labels: VmLabels::default(),
        pid: guest.pid,
        start: guest.starts * 100,
        vmm: "qemu-system-x86".into(),
        accelerator: Some(Accelerator::Kvm),
        manager: Manager::Libvirt,
        state: (!host.is_away()).then_some(state),
        allocated: Some(bytes(guest.maximum())),
        vcpus: Some(guest.spec.vcpus),
        vfio: Some(guest.spec.pinned),
        encrypted: Some(false),
        shared: Some(false),
        incoming: Some(false),
        process: ProcessSample {
            rss: Some(resident),
            rss_anon: Some(resident),
            rss_file: Some(Bytes(0)),
            rss_shmem: Some(Bytes(0)),
            swap: Some(swapped),
            hugetlb: Some(Bytes(0)),
            locked: Some(if guest.spec.pinned { resident } else { Bytes(0) }),
            minor_faults: Some(vm.suffered.first_touches),
            major_faults: Some(vm.suffered.swap_in / 5),
            cpu_time: Some(Nanos(long_before * 1_000_000_000 + vm.suffered.cpu_ns)),
            threads: Some(guest.spec.vcpus + 2),
        },
        cgroup: Some(cgroup(vm)),
        guest: of_guest(host, vm),
        counters: Some(counters(vm)),
        histograms: None,
        counted_from_start: true,
        swap_base: None,
        threads: None,
    }
}

fn cgroup(vm: &Vm) -> CgroupSample {
    let resident = bytes(vm.guest.memory.resident());
    CgroupSample {
        version: 2,
        path: format!("/machine.slice/{}", vm.guest.name),
        vms: 1,
        alone: true,
        usage: Some(resident),
        limit: Some(Limit::Unlimited),
        high: Some(Limit::Unlimited),
        swap: Some(bytes(vm.guest.memory.swapped())),
        swap_limit: Some(Limit::Unlimited),
        stat: MemoryStat {
            anon: Some(resident),
            file: Some(Bytes(0)),
            shmem: Some(Bytes(0)),
            pgmajfault: Some(vm.suffered.swap_in),
            pswpin: Some(vm.suffered.swap_in),
            pswpout: Some(vm.suffered.swap_out),
            workingset_refault_anon: Some(vm.suffered.refaults),
            workingset_refault_file: Some(0),
            ..MemoryStat::default()
        },
        limit_hits: Some(0),
        oom_kills: Some(0),
        psi: Some(vm.suffered.pressure.psi()),
        problem: None,
    }
}

fn of_guest(host: &Host, vm: &Vm) -> GuestSample {
    if host.is_away() {
        let problem = Some("libvirt does not answer".into());
        return GuestSample { problem, ..GuestSample::default() };
    }
    let has_balloon = vm.guest.spec.balloon != super::scenario::BalloonKind::None;
    GuestSample {
        actual: has_balloon.then(|| bytes(vm.guest.actual())),
        maximum: Some(bytes(vm.guest.maximum())),
        deflate_on_oom: Some(vm.guest.spec.deflate_on_oom),
        stats: vm.told.stats,
        problem: (!has_balloon).then(|| "it has no balloon".into()),
        ..GuestSample::default()
    }
}

/// The kernel side's counters: four of five reads are asynchronous faults.
fn counters(vm: &Vm) -> VmCounters {
    let suffered = &vm.suffered;
    let asynchronous = suffered.swap_in / 5 * 4;
    VmCounters {
        guest_faults: suffered.first_touches + suffered.swap_in,
        major_faults: suffered.swap_in,
        swap_read_pages: suffered.swap_in,
        swap_write_pages: suffered.swap_out,
        swap_in_pages: suffered.swap_in + suffered.dropped,
        swap_in_remote_pages: asynchronous,
        async_faults: asynchronous,
        async_faults_done: asynchronous,
        async_fault_ns: suffered.swap_wait_ns,
        direct_reclaims: suffered.direct_reclaims,
        direct_reclaim_ns: suffered.direct_ns,
        swap_out_pages: suffered.swap_out,
        ..VmCounters::ZERO
    }
}
