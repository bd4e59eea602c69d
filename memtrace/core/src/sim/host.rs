//! The simulated host: which guest holds which page, and one step of one second. It provides
//! samples and carries out orders. Amounts are base pages.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::backing::Backing;
use super::guest::Guest;
use super::invariants;
use super::pressure::Pressure;
use super::scenario::{Event, Scenario, SwapSpec};
use super::statistics::LastReport;
use super::traffic;
use crate::model::Watermarks;
use crate::order::Outcome;
use crate::sample::Party;

/// The host's memory.
#[derive(Clone, Debug)]
pub(super) struct HostMemory {
    pub(super) total: u64,
    /// In use by what can't be reclaimed.
    pub(super) reserved: u64,
    /// The host's own page cache, and how far reclaim leaves it alone.
    pub(super) cache: u64,
    pub(super) cache_floor: u64,
    pub(super) free: u64,
    pub(super) marks: Watermarks,
    pub(super) kswapd_awake: bool,
    /// A cgroup's, without a kswapd of its own.
    pub(super) pool: bool,
}

/// The host's swap.
#[derive(Clone, Debug)]
pub(super) struct HostSwap {
    pub(super) size: u64,
    pub(super) used: u64,
    /// Reads and writes together, in a second.
    pub(super) bandwidth: u64,
    /// Of a read on an idle device, in seconds.
    pub(super) latency: f64,
    /// Pages that balloons had read in this second.
    pub(super) read_for_balloons: u64,
    /// Memory that a page in zram still takes, in per cent of a page; 0 for a disk.
    pub(super) kept_percent: u64,
}

/// Share of swap-in waits that PSI counts as stalls: only those for pages of the working set
/// (`folio_test_workingset` in mm/page_io.c). Measured: 0.31 to 0.49.
const SWAP_STALLS: f64 = 0.4;
/// Compressed size of zram's content: lzo-rle and zstd reach 2.5 to 4 to 1 on most memory (kernel
/// documentation of zram; assumption: 3).
const ZRAM_PERCENT: u64 = 33;

/// Pages that the kernel reads from swap together (`page-cluster` is 3).
const READ_AHEAD: f64 = 8.0;

impl HostSwap {
    /// Host memory that what is swapped still takes.
    pub(super) const fn stored(&self) -> u64 {
        self.used * self.kept_percent / 100
    }

    pub(super) const fn room(&self) -> u64 {
        self.size - self.used
    }

    /// Pages a second that one thread reads, eight at a time (`page-cluster` 3).
    pub(super) fn one_by_one(&self) -> u64 {
        if self.latency > 0.0 { (READ_AHEAD / self.latency) as u64 } else { u64::MAX }
    }

    /// Swaps out `out` pages and swaps in `back`, and updates the host's `free` memory.
    pub(super) const fn moved(&mut self, free: &mut u64, out: u64, back: u64) {
        let stored = self.stored();
        self.used = self.used + out - back;
        *free = *free + stored - self.stored();
    }

    /// Pages to swap out so that so much memory is won.
    pub(super) const fn to_win(&self, pages: u64) -> u64 {
        if self.kept_percent == 0 { pages } else { pages * 100 / (100 - self.kept_percent) + 2 }
    }
}

/// Totals since the scenario began.
#[derive(Clone, Debug, Default)]
pub(super) struct HostTotals {
    pub(super) direct_reclaims: u64,
    pub(super) stolen_by_kswapd: u64,
    pub(super) stolen_directly: u64,
    pub(super) kswapd_ns: u64,
    pub(super) kills: u64,
    /// Pages by (causer, victim). `None` if not collected, because there is a count for each pair
    /// of VMs.
    pub(super) flows: Option<BTreeMap<(Party, Party), u64>>,
}

/// What a guest suffered from the host: totals, and the last second.
#[derive(Clone, Debug, Default)]
pub(super) struct Suffered {
    pub(super) swap_in: u64,
    pub(super) swap_out: u64,
    /// In swap, and then dropped by its guest, which reported it free.
    pub(super) dropped: u64,
    pub(super) refaults: u64,
    pub(super) first_touches: u64,
    pub(super) direct_reclaims: u64,
    pub(super) direct_ns: u64,
    pub(super) swap_wait_ns: u64,
    pub(super) cpu_ns: u64,
    /// Seconds of this second that its threads waited, all together, and those of them for
    /// pages from swap.
    pub(super) waited: f64,
    pub(super) waited_for_swap: f64,
    /// Pages still to be reclaimed after a write to its `memory.reclaim`.
    pub(super) to_reclaim: u64,
    pub(super) pressure: Pressure,
}

/// A guest and everything that the host knows of it.
#[derive(Clone, Debug)]
pub(super) struct Vm {
    pub(super) guest: Guest,
    pub(super) suffered: Suffered,
    pub(super) told: LastReport,
}

impl Vm {
    /// Seconds of this second that its vCPUs waited, for the host or within the guest. One that
    /// waits for the host doesn't wait within, too.
    pub(super) fn waited(&self) -> f64 {
        (self.suffered.waited + self.guest.waited).min(f64::from(self.guest.spec.vcpus))
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Host {
    pub(super) second: u64,
    pub(super) memory: HostMemory,
    pub(super) swap: HostSwap,
    pub(super) totals: HostTotals,
    pub(super) pressure: Pressure,
    pub(super) vms: Vec<Vm>,
    /// Seconds without any progress because swap was full.
    pub(super) starved: u64,
    /// Orders to VMs that must be left alone, or beyond their memory.
    pub(super) breaches: u64,
    events: Vec<Event>,
    pub(super) outcomes: Vec<Outcome>,
    done: BTreeSet<usize>,
}

impl Host {
    /// # Errors
    /// When the guests' memory at the beginning fits neither into the host's nor into its swap.
    pub fn new(scenario: &Scenario) -> Result<Self> {
        let mut vms = vms(scenario);
        let host = &scenario.host;
        let total = host.memory.pages();
        let marks = Watermarks::of(total);
        let (reserved, cache) = (host.reserved.pages(), host.cache.pages());
        let mut swap = swap(&host.swap, &vms);
        ensure!(swap.used <= swap.size, "the beginning's swap of {} is full", scenario.name);
        let resident = |vms: &[Vm]| vms.iter().map(|vm| vm.guest.memory.resident()).sum::<u64>();
        // What doesn't fit went to swap long before.
        let begins = reserved + cache + swap.stored() + resident(&vms) + marks.low + 1;
        let lack = begins.saturating_sub(total);
        swap.used += traffic::evicted_before(&mut vms, swap.to_win(lack).min(swap.room()));
        let used = reserved + cache + swap.stored() + resident(&vms);
        let free = total.checked_sub(used).filter(|free| *free > marks.low);
        let free = free.with_context(|| {
            format!("in the beginning, the VMs of {} don't fit into the host", scenario.name)
        })?;
        Ok(Self {
            second: 0,
            memory: HostMemory {
                total,
                reserved,
                cache,
                cache_floor: cache / 4,
                free,
                marks,
                kswapd_awake: false,
                pool: host.pool,
            },
            swap,
            totals: HostTotals { flows: Some(BTreeMap::new()), ..HostTotals::default() },
            pressure: Pressure::default(),
            vms,
            starved: 0,
            breaches: 0,
            events: scenario.event.clone(),
            outcomes: Vec::new(),
            done: BTreeSet::new(),
        })
    }

    /// One second.
    ///
    /// # Errors
    /// When memory was made or lost: the simulation is broken.
    pub(super) fn step(&mut self) -> Result<()> {
        self.pass();
        invariants::check(self)
    }

    /// The same, unchecked.
    pub(super) fn pass(&mut self) {
        self.second += 1;
        self.swap.read_for_balloons = 0;
        self.happen();
        let second = self.second;
        for vm in self.vms.iter_mut().filter(|vm| vm.guest.runs(second)) {
            vm.guest.live(second);
            // Programs have the other half at least.
            let left = (self.swap.bandwidth / 2).saturating_sub(self.swap.read_for_balloons);
            let inflated = vm.guest.move_balloon(second, left.min(self.swap.one_by_one()));
            vm.suffered.swap_in += inflated.swapped;
            self.swap.read_for_balloons += inflated.swapped;
            let reported = vm.guest.report_free(second);
            vm.suffered.dropped += reported.swapped;
            for freed in [inflated, reported] {
                take_back(&mut self.memory, &mut self.swap, freed);
            }
        }
        self.touch();
        self.reclaim_orders();
        self.kill_if_starved();
        self.account();
        let away = self.is_away();
        let stopped = self.stopped();
        for vm in &mut self.vms {
            let silent = away || stopped.contains(&vm.guest.name);
            vm.told.listen(&vm.guest, second, silent);
        }
    }

    fn happen(&mut self) {
        for (index, event) in self.events.iter().enumerate() {
            if let Event::SetMemory { at, vm, to } = event
                && *at <= self.second
                && self.done.insert(index)
            {
                let vm = self.vms.iter_mut().find(|known| known.guest.name == *vm);
                if let Some(vm) = vm {
                    vm.guest.tell(to.pages());
                    vm.guest.by_hand = Some(self.second);
                }
            }
        }
    }

    /// Whether the hypervisor's management doesn't answer.
    pub(super) fn is_away(&self) -> bool {
        self.events.iter().any(|event| match event {
            Event::HypervisorAway { at, lasts } => lasts_at(*at, *lasts, self.second),
            _ => false,
        })
    }

    /// VMs whose statistics don't come.
    fn stopped(&self) -> BTreeSet<String> {
        let name = |event: &Event| match event {
            Event::StatisticsStop { at, lasts, vm } if lasts_at(*at, *lasts, self.second) => {
                Some(vm.clone())
            }
            _ => None,
        };
        self.events.iter().filter_map(name).collect()
    }

    /// After three seconds without progress the largest VM is killed, as the kernel does
    /// (`oom_badness`: resident pages and swap).
    fn kill_if_starved(&mut self) {
        if self.starved < 3 {
            return;
        }
        self.starved = 0;
        let second = self.second;
        let size = |vm: &&mut Vm| vm.guest.memory.resident() + vm.guest.memory.swapped();
        let running = self.vms.iter_mut().filter(|vm| vm.guest.runs(second));
        if let Some(vm) = running.max_by_key(size) {
            let memory = &mut vm.guest.memory;
            let freed =
                Backing { resident: memory.resident(), swapped: memory.swapped(), untouched: 0 };
            memory.forget();
            vm.guest.gone = true;
            vm.suffered.dropped += freed.swapped;
            take_back(&mut self.memory, &mut self.swap, freed);
            self.totals.kills += 1;
        }
    }

    fn account(&mut self) {
        let second = self.second;
        let mut flowing = 1.0;
        let mut stuck = 1.0;
        for vm in &mut self.vms {
            if vm.guest.gone {
                // A killed VM serves no requests: its whole demand waits.
                vm.guest.waited = f64::from(vm.guest.spec.vcpus);
                vm.suffered.waited = 0.0;
                vm.suffered.waited_for_swap = 0.0;
                vm.guest.work = vm.guest.idle(second);
            } else if vm.guest.runs(second) {
                let busy = if vm.guest.is_up(second) { 0.3 } else { 1.0 };
                vm.suffered.cpu_ns += (busy * f64::from(vm.guest.spec.vcpus) * 1e9) as u64;
                let waited = vm.suffered.waited - vm.suffered.waited_for_swap * (1.0 - SWAP_STALLS);
                let share = waited.min(1.0);
                vm.suffered.pressure.pass(share, share);
                flowing *= 1.0 - share;
                stuck *= share;
            }
        }
        // What kswapd does counts as a stall too, for the part that it is on a CPU.
        let works = self.memory.kswapd_awake && !self.memory.pool;
        let kswapd = f64::from(u8::from(works)) * 0.5;
        self.pressure.pass(1.0 - flowing * (1.0 - kswapd), if stuck < 1.0 { stuck } else { 0.0 });
    }
}

const fn lasts_at(at: u64, lasts: u64, second: u64) -> bool {
    at <= second && second - at < lasts
}

fn swap(spec: &SwapSpec, vms: &[Vm]) -> HostSwap {
    HostSwap {
        size: spec.size.pages(),
        used: vms.iter().map(|vm| vm.guest.memory.swapped()).sum(),
        bandwidth: spec.bandwidth.pages(),
        latency: spec.latency_us as f64 * 1e-6,
        read_for_balloons: 0,
        kept_percent: if spec.zram { ZRAM_PERCENT } else { 0 },
    }
}

fn vms(scenario: &Scenario) -> Vec<Vm> {
    let vm = |guest| Vm { guest, suffered: Suffered::default(), told: LastReport::default() };
    guests(scenario).into_iter().map(vm).collect()
}

/// All guests, as they begin.
pub(super) fn guests(scenario: &Scenario) -> Vec<Guest> {
    let copies =
        scenario.vm.iter().flat_map(|spec| (0..).zip(spec.names()).map(move |n| (spec, n)));
    let guest = |(index, (spec, (copy, name)))| Guest::new(spec, name, copy, index);
    (0..).zip(copies).map(guest).collect()
}

/// What a guest gave up is the host's again.
fn take_back(memory: &mut HostMemory, swap: &mut HostSwap, freed: Backing) {
    memory.free += freed.resident;
    swap.moved(&mut memory.free, 0, freed.swapped);
}
