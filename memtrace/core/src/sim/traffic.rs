//! Pages that guests touch, and what the host does to have room for them: kswapd, direct
//! reclaim, the swap device. Amounts are base pages, a step is a second.

use super::backing::spread;
use super::host::{Host, Vm};
use super::memory::{PageKind, Wants};
use super::size::MIB_PAGES;
use crate::sample::Party;

/// Most that kswapd takes in a second.
const KSWAPD: u64 = 512 * MIB_PAGES;
/// Pages of one direct reclaim (`SWAP_CLUSTER_MAX`).
const CLUSTER: u64 = 32;
/// How much longer a read takes at most because others are before it.
const LONGEST_QUEUE: f64 = 10.0;

/// What was reclaimed in a second, by whom.
#[derive(Clone, Copy, Debug, Default)]
struct Reclaimed {
    kswapd: u64,
    direct: u64,
}

impl Host {
    /// Lets the guests touch what they want, as far as memory and swap allow.
    pub(super) fn touch(&mut self) {
        let wants: Vec<Wants> = self.vms.iter().map(|vm| self.wants(vm)).collect();
        let first: u64 = wants.iter().map(|wants| wants.first).sum();
        let swapped: u64 = wants.iter().map(|wants| wants.swapped).sum();

        let refill = self.refill(first + swapped);
        let from_cache = refill.min(self.memory.cache.saturating_sub(self.memory.cache_floor));
        let (reads, writes) = self.share_device(swapped, self.swap.to_win(refill - from_cache));
        let free_before = self.memory.free;
        self.memory.cache -= from_cache;
        self.memory.free += from_cache;
        let evicted = self.evict(writes);
        let taken: u64 = evicted.iter().sum();

        // Clean pages are had from the cache, the others once they are written.
        let room = self.memory.free.saturating_sub(self.memory.marks.min);
        let (first_granted, reads) = fit(first, reads, room);
        let lack = (first_granted + reads)
            .saturating_sub(free_before.saturating_sub(self.memory.marks.min));
        let reclaimed = split(lack, from_cache + taken);
        self.count(reclaimed, refill);
        let granted = grant(&wants, first_granted, reads);
        self.bring(&granted);
        let moved = reads + taken + self.swap.read_for_balloons;
        self.wait(&wants, &granted, moved as f64 / self.swap.bandwidth.max(1) as f64);
        self.charge(reclaimed, &granted, &evicted);
        let nothing = first + swapped > 0 && first_granted + reads == 0;
        self.starved = if nothing && taken == 0 { self.starved + 1 } else { 0 };
    }

    fn wants(&self, vm: &Vm) -> Wants {
        if vm.guest.runs(self.second) { vm.guest.wants() } else { Wants::default() }
    }

    /// What reclaim is after: free memory up to the high mark, once it would fall below
    /// the low one.
    fn refill(&mut self, needed: u64) -> u64 {
        let memory = &mut self.memory;
        let after = memory.free.saturating_sub(needed);
        memory.kswapd_awake =
            after < if memory.kswapd_awake { memory.marks.high } else { memory.marks.low };
        if memory.kswapd_awake {
            (memory.marks.high + needed).saturating_sub(memory.free)
        } else {
            0
        }
    }

    /// Reads and writes of a second that the device can do.
    fn share_device(&self, reads: u64, writes: u64) -> (u64, u64) {
        let both = reads + writes;
        let bandwidth = self.swap.bandwidth.saturating_sub(self.swap.read_for_balloons);
        if both <= bandwidth {
            return (reads, writes);
        }
        let part = bandwidth as f64 / both as f64;
        let reads = (reads as f64 * part) as u64;
        (reads, bandwidth - reads)
    }

    /// Sends pages of all VMs to swap, the coldest first as far as they are known. Returns
    /// how many of each VM.
    fn evict(&mut self, pages: u64) -> Vec<u64> {
        let evicted = evict(&mut self.vms, pages.min(self.swap.room()));
        let all: u64 = evicted.iter().sum();
        self.memory.free += all;
        self.swap.moved(&mut self.memory.free, all, 0);
        evicted
    }

    fn count(&mut self, reclaimed: Reclaimed, refill: u64) {
        let totals = &mut self.totals;
        totals.stolen_by_kswapd += reclaimed.kswapd;
        totals.stolen_directly += reclaimed.direct;
        // It works all the time while it doesn't get what it is after.
        let short = reclaimed.kswapd + reclaimed.direct < refill;
        let share = if short { 1.0 } else { reclaimed.kswapd as f64 / KSWAPD as f64 };
        totals.kswapd_ns += (share.min(1.0) * 1e9) as u64;
    }

    fn bring(&mut self, granted: &[Wants]) {
        for (vm, granted) in self.vms.iter_mut().zip(granted) {
            let brought = vm.guest.bring(*granted);
            vm.suffered.swap_in += brought.swapped;
            vm.suffered.refaults += brought.swapped;
            vm.suffered.first_touches += brought.first;
            self.memory.free -= brought.total();
            self.swap.moved(&mut self.memory.free, 0, brought.swapped);
        }
    }

    /// How long each guest's threads wait: for each read, and all the time for what they
    /// want and don't get.
    fn wait(&mut self, wants: &[Wants], granted: &[Wants], busy: f64) {
        let queue = (1.0 / (1.0 - busy.min(0.99))).min(LONGEST_QUEUE);
        for ((vm, wants), granted) in self.vms.iter_mut().zip(wants).zip(granted) {
            let threads = f64::from(vm.guest.spec.vcpus);
            let short = wants.total() - granted.total();
            vm.guest.work.done = (vm.guest.work.done - short as f64).max(0.0);
            let blocked = short as f64 / wants.total().max(1) as f64 * threads;
            let reading = granted.swapped as f64 * self.swap.latency * queue;
            let waited = (reading + blocked).min(threads);
            vm.suffered.waited = waited;
            vm.suffered.waited_for_swap = waited;
            vm.suffered.swap_wait_ns += (waited * 1e9) as u64;
        }
    }

    /// Direct reclaim is done by those who allocate, and takes its time until it is written.
    fn charge(&mut self, reclaimed: Reclaimed, granted: &[Wants], evicted: &[u64]) {
        let allocated: Vec<(f64, u64)> = granted
            .iter()
            .map(|granted| {
                (granted.total() as f64, if granted.total() > 0 { u64::MAX / 2 } else { 0 })
            })
            .collect();
        let by_vm = spread(reclaimed.direct, &allocated);
        for (vm, pages) in self.vms.iter_mut().zip(&by_vm).filter(|(_, pages)| **pages > 0) {
            let seconds = *pages as f64 / self.swap.bandwidth.max(1) as f64;
            let waited = seconds.min(f64::from(vm.guest.spec.vcpus) - vm.suffered.waited).max(0.0);
            let reclaims = pages.div_ceil(CLUSTER);
            vm.suffered.waited += waited;
            vm.suffered.direct_ns += (waited * 1e9) as u64;
            vm.suffered.direct_reclaims += reclaims;
            self.totals.direct_reclaims += reclaims;
        }
        self.charge_flows(reclaimed, &by_vm, evicted);
    }

    fn charge_flows(&mut self, reclaimed: Reclaimed, by_vm: &[u64], evicted: &[u64]) {
        let Some(flows) = &mut self.totals.flows else { return };
        let causers = std::iter::once((Party::Kswapd, reclaimed.kswapd))
            .chain(self.vms.iter().map(|vm| Party::Vm(vm.guest.id)).zip(by_vm.iter().copied()))
            .filter(|(_, pages)| *pages > 0);
        let causers: Vec<(Party, u64)> = causers.collect();
        let parts: Vec<(f64, u64)> =
            causers.iter().map(|(_, pages)| (*pages as f64, u64::MAX / 2)).collect();
        for (vm, pages) in self.vms.iter().zip(evicted).filter(|(_, pages)| **pages > 0) {
            for ((causer, _), pages) in causers.iter().zip(spread(*pages, &parts)) {
                let flow = (*causer, Party::Vm(vm.guest.id));
                *flows.entry(flow).or_default() += pages;
            }
        }
    }

    /// What was written to `memory.reclaim` of VMs, as far as the device has time left.
    pub(super) fn reclaim_orders(&mut self) {
        let second = self.second;
        for vm in self.vms.iter_mut().filter(|vm| vm.suffered.to_reclaim > 0) {
            let room = self.swap.room();
            let pages = vm.suffered.to_reclaim.min(self.swap.bandwidth / 4).min(room);
            let evicted = if vm.guest.spec.pinned || !vm.guest.runs(second) {
                0
            } else {
                let taken = spread(pages, &vm.guest.memory.evictable());
                vm.guest.memory.evict(&taken)
            };
            self.memory.free += evicted;
            self.swap.moved(&mut self.memory.free, evicted, 0);
            vm.suffered.swap_out += evicted;
            vm.suffered.to_reclaim =
                if evicted == 0 { 0 } else { vm.suffered.to_reclaim - evicted };
        }
    }
}

/// Sends pages of VMs to swap, the coldest first as far as they are known. Returns how many
/// of each VM.
pub(super) fn evict(vms: &mut [Vm], pages: u64) -> Vec<u64> {
    if pages == 0 {
        return vec![0; vms.len()];
    }
    let none = [(0.0, 0); PageKind::ALL.len()];
    let parts: Vec<(f64, u64)> = vms
        .iter()
        .flat_map(|vm| if vm.guest.spec.pinned { none } else { vm.guest.memory.evictable() })
        .collect();
    let taken = spread(pages, &parts);
    let mut evicted = Vec::with_capacity(vms.len());
    for (vm, pages) in vms.iter_mut().zip(taken.chunks(PageKind::ALL.len())) {
        let pages = vm.guest.memory.evict(pages);
        vm.suffered.swap_out += pages;
        evicted.push(pages);
    }
    evicted
}

/// Sends pages of VMs to swap as they are there after a long time: what was needed since has
/// come back. Returns how many.
pub(super) fn evicted_before(vms: &mut [Vm], pages: u64) -> u64 {
    let mut left = pages;
    for kind in
        [PageKind::Free, PageKind::CacheCold, PageKind::Cold, PageKind::CacheHot, PageKind::Hot]
    {
        let part = |vm: &Vm| {
            let pages = if vm.guest.spec.pinned { 0 } else { vm.guest.memory[kind].resident };
            (pages as f64, pages)
        };
        let parts: Vec<(f64, u64)> = vms.iter().map(part).collect();
        for (vm, pages) in vms.iter_mut().zip(spread(left, &parts)) {
            let backing = &mut vm.guest.memory[kind];
            backing.resident -= pages;
            backing.swapped += pages;
            vm.suffered.swap_out += pages;
            left -= pages;
        }
    }
    pages - left
}

/// What of first touches and reads there is room for, in proportion.
fn fit(first: u64, reads: u64, room: u64) -> (u64, u64) {
    let parts = spread(room, &[(first as f64, first), (reads as f64, reads)]);
    match parts[..] {
        [first, reads] => (first, reads),
        _ => (0, 0),
    }
}

/// While free memory stays above the minimum, kswapd does it alone; what allocations lack
/// beyond that, they and kswapd reclaim side by side, and kswapd no more than it can.
fn split(lack: u64, all: u64) -> Reclaimed {
    let direct = (lack.min(all) / 2).max(all.saturating_sub(KSWAPD));
    Reclaimed { kswapd: all - direct, direct }
}

/// Splits what there is among those who want it.
fn grant(wants: &[Wants], first: u64, swapped: u64) -> Vec<Wants> {
    let parts = |field: fn(&Wants) -> u64| -> Vec<(f64, u64)> {
        wants.iter().map(|wants| (field(wants) as f64, field(wants))).collect()
    };
    let first = spread(first, &parts(|wants| wants.first));
    let swapped = spread(swapped, &parts(|wants| wants.swapped));
    first.into_iter().zip(swapped).map(|(first, swapped)| Wants { first, swapped }).collect()
}
