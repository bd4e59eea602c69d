//! The running eBPF programs: attached hooks, their maps read every tick, their events.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Result;
use aya::maps::{Array, MapData, PerCpuArray};
use aya::{Btf, Ebpf, Endianness};
use aya_log::EbpfLogger;
use memtrace_ebpf::{
    EVENT_APPEARED, EVENT_EXITED, EVENT_FOUND, FlowKey, HostCounters, SLOT_KSWAPD, SLOT_OTHER,
    VmCounters,
};

use super::allocator;
use super::attach::Hooks;
use super::kswapd::{self, Active};
use super::limits::Limits;
use super::load::{self, map};
use super::missed;
use super::pass::Pass;
use super::plan::{self, Plan};
use super::slots::{Slots, Tracked};
use super::support::{self, Means};
use super::{Arrived, Belongings, FlowReading, Hooking, KernelSide, Reading, Taker, VmReading};
use crate::clock::monotonic;
use crate::hostfs::Keeper;
use crate::hostfs::process::Vitals;
use crate::probe::ring_reader::RingReader;
use memtrace_core::signal::SignalStatus;
use memtrace_core::units::{Nanos, Pages};

/// The attached programs. They are detached when this is dropped.
pub struct Probe {
    pub(super) ebpf: Ebpf,
    hooks: Hooks,
    may_rest: bool,
    signals: Vec<SignalStatus>,
    means: Means,
    nodes: u32,
    pub(super) slots: Slots,
    host: PerCpuArray<MapData, HostCounters>,
    kswapd_since: Array<MapData, u64>,
    kswapd_active: Active,
    reader: RingReader,
    logger: Option<EbpfLogger<Box<dyn log::Log>>>,
    /// The programs' fdinfo.
    files: Keeper,
    /// Or why processes are read from files.
    pass: Result<Pass, String>,
    files_of_cgroups: Vec<&'static str>,
}

/// The pass over the processes sees by a counter whether a thread ended while it added them up, and
/// has no barrier between that and the threads' counts.
///
/// # Errors
/// A message for the operator, on processors where a later read may overtake an earlier one.
fn reads_in_order() -> Result<(), String> {
    match cfg!(target_arch = "x86_64") {
        true => Ok(()),
        false => Err("this processor may read a process' threads out of order".to_owned()),
    }
}

impl Probe {
    /// Detects the kernel's features, and attaches the supported hooks, of those that fire in each
    /// page fault what `hooking` says. Those that may rest are attached at first.
    ///
    /// # Errors
    /// When nothing at all can run: no privilege, or no BPF.
    pub fn open(sys: &Path, log: bool, limits: &Limits, hooking: Hooking) -> Result<Self> {
        allocator::return_large_blocks();
        let facts = support::facts(sys);
        let files_of_cgroups = plan::files_of_cgroups(&facts.layout);
        let functions = reads_in_order().and_then(|()| plan::kernel_functions(&facts));
        let plan = plan::plan(&facts);
        let Plan { layout, hooks, absent, means } = match hooking {
            Hooking::Always => plan,
            Hooking::OnDemand => plan.at_rest(),
        };
        // Large, so it is kept no longer than attaching takes.
        let btf = Btf::parse_file(sys.join("kernel/btf/vmlinux"), Endianness::default()).ok();
        let mut ebpf = load::load(layout, btf.as_ref(), functions.as_ref().ok(), log, limits)?;
        let logger = if log { start_logger(&mut ebpf) } else { None };
        let pass = functions.and_then(|_| Pass::open(&mut ebpf, btf.as_ref()));
        if let Err(reason) = &pass {
            tracing::debug!("processes are read from files: {reason}");
        }
        // Before the programs run, which take slots by themselves.
        let slots = Slots::new(&mut ebpf, limits)?;
        let hooks = Hooks::attach(&mut ebpf, hooks, absent, btf.as_ref(), means);
        Ok(Self {
            slots,
            host: map(&mut ebpf, "HOST")?,
            kswapd_since: map(&mut ebpf, "KSWAPD_SINCE")?,
            kswapd_active: Active::default(),
            reader: RingReader::start(map(&mut ebpf, "EVENTS")?, limits.events_bytes)?,
            ebpf,
            signals: hooks.statuses(),
            may_rest: hooking == Hooking::OnDemand && hooks.can_rest(),
            hooks,
            means,
            nodes: support::memory_nodes(sys),
            logger,
            files: Keeper::default(),
            pass,
            files_of_cgroups,
        })
    }

    /// `None`: it could not be read.
    fn row(&self, slot: u32, problems: &mut Vec<String>) -> Option<VmCounters> {
        let mut total = VmCounters::default();
        match self.slots.rows.counters.get(&slot, 0) {
            Ok(values) => values.iter().for_each(|value| total.add(value)),
            Err(error) => {
                problems.push(format!("cannot read the counters of slot {slot}: {error}"));
                return None;
            }
        }
        Some(total)
    }

    fn read_vms(&mut self, problems: &mut Vec<String>) -> BTreeMap<u32, VmReading> {
        let mut fresh = BTreeMap::new();
        let mut read = |tgid: &u32, vm: &Tracked| {
            let counters = self.row(vm.slot, problems)?;
            let from_start = vm.from_start;
            if let Some(last) = vm.last.as_ref().filter(|last| last.counters == counters) {
                return Some(VmReading { from_start, ..last.clone() });
            }
            let histograms = self.slots.rows.distributions(vm.slot);
            let reading = VmReading { counters, histograms, from_start };
            fresh.insert(*tgid, reading.clone());
            Some(reading)
        };
        let tracked = self.slots.tracked.iter();
        let vms = tracked.filter_map(|(tgid, vm)| Some((*tgid, read(tgid, vm)?))).collect();
        for (tgid, reading) in fresh {
            if let Some(vm) = self.slots.tracked.get_mut(&tgid) {
                vm.last = Some(reading);
            }
        }
        vms
    }

    /// `None`: they could not be read.
    fn host_counters(&mut self, now: Nanos, problems: &mut Vec<String>) -> Option<HostCounters> {
        let since = || {
            let nodes = (0..self.nodes).map(|node| self.kswapd_since.get(&node, 0).unwrap_or(0));
            nodes.collect()
        };
        let (values, under_way) = kswapd::steadily(since, || self.host.get(&0, 0));
        let values = match values {
            Ok(values) => values,
            Err(error) => {
                problems.push(format!("cannot read the host's counters: {error}"));
                return None;
            }
        };
        let mut total = HostCounters::default();
        values.iter().for_each(|value| total.add(value));
        total.lost_events = total.lost_events.saturating_add(self.reader.lost());
        total.kswapd_active_ns = self.kswapd_active.total(total.kswapd_active_ns, &under_way, now);
        Some(total)
    }

    fn flows(&mut self, problems: &mut Vec<String>) -> Vec<FlowReading> {
        let totals = self.slots.rows.flows.read(problems);
        let by_slot: BTreeMap<u32, u32> =
            self.slots.tracked.iter().map(|(tgid, vm)| (vm.slot, *tgid)).collect();
        let taker = |slot: u32| match slot {
            SLOT_OTHER => Some(Taker::Other),
            SLOT_KSWAPD => Some(Taker::Kswapd),
            slot => by_slot.get(&slot).map(|tgid| Taker::Process(*tgid)),
        };
        let flow = |(key, pages): (FlowKey, u64)| {
            let (causer, victim) = (taker(key.causer)?, taker(key.victim)?);
            Some(FlowReading { causer, victim, pages: Pages(pages) })
        };
        totals.into_iter().filter_map(flow).collect()
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

    fn processes(&mut self) -> BTreeMap<u32, Vitals> {
        let Ok(pass) = &mut self.pass else { return BTreeMap::new() };
        pass.run().unwrap_or_else(|error| {
            tracing::debug!("processes are read from files this time: {error}");
            BTreeMap::new()
        })
    }

    fn processes_unread(&self) -> Option<&str> {
        self.pass.as_ref().err().map(String::as_str)
    }

    fn files_of_cgroups(&self) -> &[&'static str] {
        &self.files_of_cgroups
    }

    fn swap_ins_need_vmswap(&self) -> bool {
        self.means.swap_ins_need_vmswap
    }

    fn counters(&self, tgid: u32) -> Option<VmCounters> {
        let slot = self.slots.tracked.get(&tgid)?.slot;
        self.row(slot, &mut Vec::new())
    }

    fn can_rest(&self) -> bool {
        self.may_rest
    }

    fn rest(&mut self) -> Result<()> {
        if self.may_rest { self.hooks.rest(&mut self.ebpf) } else { Ok(()) }
    }

    fn wake(&mut self) -> Result<()> {
        for vm in self.slots.tracked.values() {
            self.slots.rows.forget_swap_entries(vm.slot)?;
        }
        self.hooks.wake(&mut self.ebpf)
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.reader.bell())
    }

    fn read(&mut self) -> Reading {
        if self.hooks.retry(&mut self.ebpf) {
            self.signals = self.hooks.statuses();
        }
        let mut problems = Vec::new();
        let at = monotonic();
        let host = self.host_counters(at, &mut problems);
        if let Some(host) = &host {
            self.slots.tidy(host.lost_events);
        }
        let vms = self.read_vms(&mut problems);
        let kswapd = self.row(SLOT_KSWAPD, &mut problems);
        let other = self.row(SLOT_OTHER, &mut problems);
        let flows = self.flows(&mut problems);
        let missed = missed::by_program(&self.ebpf, &self.files);
        Reading {
            at,
            vms,
            host_unread: host.is_none() || kswapd.is_none() || other.is_none(),
            host: host.unwrap_or_default(),
            kswapd: kswapd.unwrap_or_default(),
            other: other.unwrap_or_default(),
            flows,
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
