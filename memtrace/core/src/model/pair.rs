//! One VM in two samples. Owns the rule which samples may be compared: the same
//! identity *and* the same process, and counters that did not run backwards.

use std::collections::HashMap;

use memtrace_ebpf::VmCounters;

use crate::model::Measured;
use crate::model::ended;
use crate::model::gap::Gap;
use crate::model::missed::{self, Missed};
use crate::model::rates::{Growth, Interval, growth};
use crate::model::totals::{Unhooked, unhooked};
use crate::sample::{Accelerator, Sample, VmId, VmSample};
use crate::signal::{Quality, Signal, SignalStatus, reason_or};
use crate::units::{ByteRate, Bytes, Pages, Percent, Rate};

/// What holds for all VMs of the two samples. Made once, so that a VM costs the same
/// however many there are.
pub(super) struct Context<'a> {
    pub(super) previous: Option<&'a Sample>,
    pub(super) now: &'a Sample,
    pub(super) interval: Result<Interval, Gap>,
    /// The VMs of the previous sample.
    before: HashMap<VmId, &'a VmSample>,
    /// What VMs that ended in the interval leave of numbers that are made of all parties' rows.
    ended: Quality,
    /// What is known of each signal, in the order of [`Signal::ALL`].
    pub(super) unhooked: Unhooked,
    signals: [SignalState; Signal::ALL.len()],
}

/// A signal in these two samples.
struct SignalState {
    quality: Quality,
    /// Events that were not counted in the interval.
    missed: Result<Missed, Gap>,
}

impl<'a> Context<'a> {
    pub(super) fn new(previous: Option<&'a Sample>, now: &'a Sample) -> Self {
        let interval = previous
            .ok_or(Gap::FirstSample)
            .and_then(|previous| Interval::between(previous.at, now.at));
        let vms = previous.into_iter().flat_map(|previous| &previous.vms);
        let signals = Signal::ALL.map(|signal| SignalState {
            quality: quality(now, signal),
            missed: missed::growth(previous, now, signal),
        });
        let before = vms.map(|vm| (vm.id, vm)).collect();
        let (ended, unhooked) = (ended::doubt(previous, now), unhooked(&now.signals));
        Self { previous, now, interval, before, ended, unhooked, signals }
    }

    fn signal_state(&self, signal: Signal) -> Option<&SignalState> {
        self.signals.get(signal as usize)
    }

    /// What the kernel side's counters of a signal are worth; absent without its hook,
    /// even where files tell the same.
    pub(super) fn quality(&self, signal: Signal) -> Quality {
        let state = self.signal_state(signal);
        state.map_or_else(|| Quality::absent("not a signal"), |state| state.quality.clone())
    }

    /// What the events that the kernel left out in the interval make of a growth.
    pub(super) fn missed(&self, signal: Signal, growth: u64) -> Quality {
        match self.signal_state(signal) {
            Some(SignalState { missed: Ok(missed), .. }) => missed::doubt(signal, *missed, growth),
            _ => Quality::Exact,
        }
    }

    /// What VMs that ended in the interval leave of the sum over all parties.
    pub(super) fn ended(&self) -> Quality {
        self.ended.clone()
    }

    /// Whether hooks that are attached on demand were detached at some time in the interval.
    pub(super) fn rested(&self) -> bool {
        missed::rested(self.previous, self.now)
    }

    pub(super) fn rate(&self, growth: Growth) -> Measured<Rate> {
        self.over(growth, Interval::rate)
    }

    pub(super) fn byte_rate(&self, pages: Growth) -> Measured<ByteRate> {
        self.over(pages, |interval, pages| interval.byte_rate(pages, self.now.page_size))
    }

    pub(super) fn share(&self, nanos: Growth) -> Measured<Percent> {
        self.over(nanos, Interval::share)
    }

    fn over<T>(&self, growth: Growth, form: impl FnOnce(Interval, u64) -> T) -> Measured<T> {
        match self.interval {
            Ok(interval) => growth.map(|growth| form(interval, growth)),
            Err(_) if growth.value.is_none() => Measured { value: None, quality: growth.quality },
            Err(gap) => gap.into(),
        }
    }
}

fn quality(now: &Sample, signal: Signal) -> Quality {
    match now.signals.iter().find(|status| status.signal == signal) {
        None => Quality::absent("the kernel side does not run"),
        Some(SignalStatus { hooked: false, quality, .. }) => {
            Quality::absent(reason_or(quality.reason(), "no hook counts it"))
        }
        Some(status) => status.quality.clone(),
    }
}

/// A VM now, and its earlier state for comparison.
pub(super) struct Pair<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) now: &'a VmSample,
    before: Result<&'a VmSample, Gap>,
    counters: Result<(&'a VmCounters, &'a VmCounters), Gap>,
}

impl<'a> Pair<'a> {
    pub(super) fn new(context: &'a Context<'a>, now: &'a VmSample) -> Self {
        let before = before(context, now);
        let counters = before.and_then(|before| {
            let now = now.counters.as_ref().ok_or(Gap::NotCounted)?;
            let before = before.counters.as_ref().ok_or(Gap::NotCountedBefore)?;
            // The row was reset: the slot was given away, or memtrace restarted.
            if now.ran_backwards(before) { Err(Gap::RanBackwards) } else { Ok((before, now)) }
        });
        let counters = counters.or_else(|gap| since_start(now, gap));
        Self { context, now, before, counters }
    }

    /// The same process in the previous sample.
    pub(super) const fn before(&self) -> Result<&'a VmSample, Gap> {
        self.before
    }

    /// Whether flows of this identity can be compared: the kernel side counted it, and it was
    /// the same process the time before, or there was none and this one was counted from its
    /// start.
    pub(super) fn has_flows(&self) -> Result<(), Gap> {
        match (self.before, self.counters) {
            (Err(Gap::NewVm), Ok(_)) => Ok(()),
            (before, counters) => before.and(counters).map(drop),
        }
    }

    /// Growth of a counter of the kernel side, with the quality of the signal behind it.
    pub(super) fn counted(&self, signal: Signal, field: impl Fn(&VmCounters) -> u64) -> Growth {
        match (self.context.quality(signal), self.counters) {
            (quality @ Quality::Absent(_), _) => Measured { value: None, quality },
            (_, Err(gap)) => gap.into(),
            (quality, Ok((before, now))) => {
                let growth = field(now).checked_sub(field(before));
                let doubt = self.context.missed(signal, growth.unwrap_or(0));
                Measured::new(growth, quality.and(doubt))
            }
        }
    }

    /// A total of the kernel side, with the quality of the signal behind it.
    pub(super) fn total(&self, signal: Signal, field: impl Fn(&VmCounters) -> u64) -> Growth {
        match (self.context.quality(signal), &self.now.counters) {
            (quality @ Quality::Absent(_), _) => Measured { value: None, quality },
            (_, None) => Gap::NotCounted.into(),
            (quality, Some(counters)) => Measured::new(Some(field(counters)), quality),
        }
    }

    /// It runs without KVM, so that its guest's faults are ordinary ones of its process.
    pub(super) fn is_emulated(&self) -> bool {
        self.now.accelerator == Some(Accelerator::Tcg)
    }

    /// What KVM alone does; absent for a VM that it doesn't run.
    pub(super) fn by_kvm<T>(&self, measured: Measured<T>) -> Measured<T> {
        if self.is_emulated() { Measured::absent("TCG runs it, and not KVM") } else { measured }
    }

    /// Growth of a total that was read from a file.
    pub(super) fn read(&self, field: impl Fn(&VmSample) -> Option<u64>) -> Result<u64, Gap> {
        growth(field(self.before?), field(self.now))
    }

    /// Why counts by address space miss this VM's memory.
    pub(super) fn shared_memory(&self) -> Option<&'static str> {
        shares_memory(self.now, self.context.now.page_size)
            .then_some("guest memory is shared, and its swap belongs to no address space")
    }
}

/// Whether counts by address space miss a VM's memory: it is shared, and swap entries of shared
/// memory belong to the file (`shmem_inode_info.swapped`) and not to MM_SWAPENTS. Memory counts as
/// shared when most of what is seen of it is, whether resident or taken away, or when it was
/// started with such memory: most of it may be in swap.
pub fn shares_memory(vm: &VmSample, page_size: Bytes) -> bool {
    let known = |bytes: Option<Bytes>| bytes.unwrap_or(Bytes(0));
    let process = &vm.process;
    let taken = vm.counters.map_or(0, |counters| counters.shmem_taken_pages);
    let shared = known(process.rss_shmem).saturating_add(Pages(taken).bytes(page_size));
    let private = known(process.rss_anon).saturating_add(known(process.swap));
    let said = vm.shared == Some(true) && known(process.hugetlb).0 == 0;
    said || shared > private
}

/// A VM that started in the interval, and was counted from its very start, has grown
/// from nothing.
fn since_start(now: &VmSample, gap: Gap) -> Result<(&VmCounters, &VmCounters), Gap> {
    match (&now.counters, gap) {
        (Some(counters), Gap::NewVm | Gap::Restarted) if now.counted_from_start => {
            Ok((&VmCounters::ZERO, counters))
        }
        _ => Err(gap),
    }
}

/// The same VM, run by the same process, in the previous sample.
fn before<'a>(context: &Context<'a>, now: &VmSample) -> Result<&'a VmSample, Gap> {
    context.previous.ok_or(Gap::FirstSample)?;
    context.interval?;
    let before = context.before.get(&now.id).ok_or(Gap::NewVm)?;
    let same_process = before.pid == now.pid && before.start == now.start;
    same_process.then_some(*before).ok_or(Gap::Restarted)
}
