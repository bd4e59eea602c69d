//! The running eBPF programs: attached hooks, their maps read every tick, their events.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Result;
use aya::maps::{Array, MapData, PerCpuArray};
use aya::{Btf, Ebpf, Endianness};
use aya_log::EbpfLogger;
use memtrace_ebpf::{
    EVENT_APPEARED, EVENT_EXITED, EVENT_FOUND, HostCounters, SLOT_KSWAPD, SLOT_OTHER, VmCounters,
};

use super::attach::Hooks;
use super::limits::Limits;
use super::load::{self, map};
use super::missed;
use super::plan::{self, Plan};
use super::slots::{Slots, Tracked};
use super::support::{self, Means};
use super::{Arrived, Belongings, FlowReading, KernelSide, Reading, Taker, VmReading};
use crate::clock::monotonic;
use crate::hostfs::Keeper;
use crate::probe::ring_reader::RingReader;
use memtrace_core::signal::SignalStatus;
use memtrace_core::units::{Nanos, Pages};

/// Limit on the flows of one reading.
const MAX_FLOWS: usize = memtrace_ebpf::MAX_FLOWS as usize;

/// The attached programs. They are detached when this is dropped.
pub struct Probe {
    pub(super) ebpf: Ebpf,
    hooks: Hooks,
    signals: Vec<SignalStatus>,
    means: Means,
    nodes: u32,
    pub(super) slots: Slots,
    host: PerCpuArray<MapData, HostCounters>,
    kswapd_since: Array<MapData, u64>,
    reader: RingReader,
    logger: Option<EbpfLogger<Box<dyn log::Log>>>,
    /// The programs' fdinfo.
    files: Keeper,
}

impl Probe {
    /// Detects the kernel's features, and attaches all supported hooks.
    ///
    /// # Errors
    /// When nothing at all can run: no privilege, or no BPF.
    pub fn open(sys: &Path, log: bool, limits: &Limits) -> Result<Self> {
        let facts = support::facts(sys);
        let Plan { layout, hooks, absent, means } = plan::plan(&facts);
        // Large, so it is kept no longer than attaching takes.
        let btf = Btf::parse_file(sys.join("kernel/btf/vmlinux"), Endianness::default()).ok();
        let mut ebpf = load::load(layout, btf.as_ref(), log, limits)?;
        let logger = if log { start_logger(&mut ebpf) } else { None };
        // Before the programs run, which take slots by themselves.
        let slots = Slots::new(&mut ebpf, limits.slots)?;
        let hooks = Hooks::attach(&mut ebpf, hooks, absent, btf.as_ref());
        Ok(Self {
            slots,
            host: map(&mut ebpf, "HOST")?,
            kswapd_since: map(&mut ebpf, "KSWAPD_SINCE")?,
            reader: RingReader::start(map(&mut ebpf, "EVENTS")?, limits.events_bytes)?,
            ebpf,
            signals: hooks.statuses(means),
            hooks,
            means,
            nodes: support::memory_nodes(sys),
            logger,
            files: Keeper::default(),
        })
    }

    fn row(&self, slot: u32, problems: &mut Vec<String>) -> VmCounters {
        let mut total = VmCounters::default();
        match self.slots.rows.counters.get(&slot, 0) {
            Ok(values) => values.iter().for_each(|value| total.add(value)),
            Err(error) => {
                problems.push(format!("cannot read the counters of slot {slot}: {error}"))
            }
        }
        total
    }

    fn read_vms(&mut self, problems: &mut Vec<String>) -> BTreeMap<u32, VmReading> {
        let mut fresh = BTreeMap::new();
        let mut read = |tgid: &u32, vm: &Tracked| {
            let counters = self.row(vm.slot, problems);
            let from_start = vm.from_start;
            if let Some(last) = vm.last.as_ref().filter(|last| last.counters == counters) {
                return VmReading { from_start, ..last.clone() };
            }
            let histograms = self.slots.rows.distributions(vm.slot);
            let reading = VmReading { counters, histograms, from_start };
            fresh.insert(*tgid, reading.clone());
            reading
        };
        let vms = self.slots.tracked.iter().map(|(tgid, vm)| (*tgid, read(tgid, vm))).collect();
        for (tgid, reading) in fresh {
            if let Some(vm) = self.slots.tracked.get_mut(&tgid) {
                vm.last = Some(reading);
            }
        }
        vms
    }

    fn host_counters(&self, now: Nanos, problems: &mut Vec<String>) -> HostCounters {
        let mut total = HostCounters::default();
        match self.host.get(&0, 0) {
            Ok(values) => values.iter().for_each(|value| total.add(value)),
            Err(error) => problems.push(format!("cannot read the host's counters: {error}")),
        }
        total.lost_events = total.lost_events.saturating_add(self.reader.lost());
        // The current round of kswapd counts as well.
        for node in 0..self.nodes {
            if let Ok(since @ 1..) = self.kswapd_since.get(&node, 0) {
                total.kswapd_active_ns += now.0.saturating_sub(since);
            }
        }
        total
    }

    fn flows(&self) -> Vec<FlowReading> {
        let by_slot: BTreeMap<u32, u32> =
            self.slots.tracked.iter().map(|(tgid, vm)| (vm.slot, *tgid)).collect();
        let taker = |slot: u32| match slot {
            SLOT_OTHER => Some(Taker::Other),
            SLOT_KSWAPD => Some(Taker::Kswapd),
            slot => by_slot.get(&slot).map(|tgid| Taker::Process(*tgid)),
        };
        self.slots
            .rows
            .flows
            .iter()
            .take(MAX_FLOWS)
            .filter_map(Result::ok)
            .filter_map(|(key, values)| {
                let pages = Pages(values.iter().sum());
                Some(FlowReading { causer: taker(key.causer)?, victim: taker(key.victim)?, pages })
            })
            .collect()
    }
}

impl KernelSide for Probe {
    fn signals(&self) -> &[SignalStatus] {
        &self.signals
    }

    fn track(&mut self, tgid: u32, belongings: &Belongings) -> Result<()> {
        self.slots.track(tgid, belongings)
    }

    fn forget(&mut self, tgid: u32) {
        self.slots.forget(tgid);
    }

    fn events(&mut self) -> Vec<Arrived> {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        let events = self.reader.take();
        for Arrived { event, .. } in &events {
            match event.kind {
                EVENT_APPEARED => self.slots.appeared(event.tgid, event.slot, true),
                EVENT_FOUND => self.slots.appeared(event.tgid, event.slot, false),
                EVENT_EXITED => self.slots.ended(event.slot),
                _ => {}
            }
        }
        events
    }

    fn swap_ins_need_vmswap(&self) -> bool {
        self.means.swap_ins_need_vmswap
    }

    fn counters(&self, tgid: u32) -> Option<VmCounters> {
        let slot = self.slots.tracked.get(&tgid)?.slot;
        let mut problems = Vec::new();
        let row = self.row(slot, &mut problems);
        problems.is_empty().then_some(row)
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.reader.bell())
    }

    fn read(&mut self) -> Reading {
        if self.hooks.retry(&mut self.ebpf) {
            self.signals = self.hooks.statuses(self.means);
        }
        let mut problems = Vec::new();
        let at = monotonic();
        let host = self.host_counters(at, &mut problems);
        self.slots.tidy(host.lost_events);
        let vms = self.read_vms(&mut problems);
        let missed = missed::by_program(&self.ebpf, &self.files);
        Reading {
            at,
            vms,
            host,
            kswapd: self.row(SLOT_KSWAPD, &mut problems),
            other: self.row(SLOT_OTHER, &mut problems),
            flows: self.flows(),
            missed_runs: missed.as_ref().map(|missed| missed.values().sum()),
            missed_by_signal: missed::by_signal(&missed.unwrap_or_default(), self.hooks.attached()),
            problems,
        }
    }
}

fn start_logger(ebpf: &mut Ebpf) -> Option<EbpfLogger<Box<dyn log::Log>>> {
    match EbpfLogger::init_with_logger(
        ebpf,
        Box::new(tracing_log::LogTracer::new()) as Box<dyn log::Log>,
    ) {
        Ok(logger) => Some(logger),
        Err(error) => {
            tracing::debug!("no messages from the eBPF programs: {error}");
            None
        }
    }
}
