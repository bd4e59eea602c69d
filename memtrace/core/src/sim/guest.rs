//! A guest: what it is, and as it is when the scenario begins. Amounts are base pages.

use uuid::Uuid;

use super::load::Demand;
use super::memory::{Memory, PageKind};
use super::scenario::{OwnSwapKind, VmSpec};
use super::size::MIB_PAGES;
use super::work::{Asking, Work};
use crate::model::Watermarks;
use crate::sample::VmId;

/// Totals since the guest's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GuestTotals {
    pub(super) swap_in: u64,
    pub(super) swap_out: u64,
    pub(super) major_faults: u64,
    pub(super) minor_faults: u64,
    pub(super) ooms: u64,
    /// Allocations that its programs did without.
    pub(super) refused: u64,
}

/// The guest's own swap, on its virtual disk. What is there is in no guest memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnSwap {
    pub(super) size: u64,
    pub(super) hot: u64,
    pub(super) cold: u64,
}

/// The virtual disk: reads and writes together, and the wait for one read.
pub(super) const DISK: u64 = 100 * MIB_PAGES;
pub(super) const DISK_SECONDS: f64 = 200e-6;
/// The same for zram, which is limited by CPU (lzo-rle: about 1 GiB/s each way).
const ZRAM: u64 = 1024 * MIB_PAGES;
const ZRAM_SECONDS: f64 = 4e-6;
/// Duration of a guest's boot in seconds, and the part of its memory that it touches meanwhile.
const REBOOT: u64 = 30;
const REBOOT_TOUCHES: u64 = 8;

impl OwnSwap {
    pub(super) const fn room(&self) -> u64 {
        self.size - self.hot - self.cold
    }
}

/// One guest.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) name: String,
    pub(super) id: VmId,
    pub(super) pid: u32,
    pub(super) spec: VmSpec,
    /// When it starts; 0: long before the scenario.
    pub(super) starts: u64,
    pub(super) memory: Memory,
    pub(super) marks: Watermarks,
    pub(super) totals: GuestTotals,
    /// The last balloon target as a logical size, and the balloon's size at that moment.
    pub(super) target: u64,
    pub(super) balloon_before: u64,
    /// When an operator last moved its balloon by hand.
    pub(super) by_hand: Option<u64>,
    /// Killed by the host.
    pub(super) gone: bool,
    /// Seconds that its programs waited within it in this second.
    pub(super) waited: f64,
    pub(super) own: OwnSwap,
    pub(super) without_service_until: u64,
    /// Pages of cache that are overwritten in this second.
    pub(super) streamed: u64,
    pub(super) asking: Asking,
    pub(super) work: Work,
    /// Totals at its last reboot: it counts anew from there.
    pub(super) anew: GuestTotals,
    /// Seconds by which its load is shifted from that of the first guest of its kind.
    lag: u64,
}

impl Guest {
    /// Copy number `copy` (from 0) of a kind of guest, the `index`-th VM of all.
    pub(super) fn new(spec: &VmSpec, name: String, copy: u64, index: u32) -> Self {
        let pages = spec.memory.pages();
        let lag = copy.saturating_mul(spec.stagger);
        let starts = if spec.starts == 0 { 0 } else { spec.starts.saturating_add(lag) };
        let uuid = Uuid::from_u128(0x51b0_0000_0000_4000_8000_0000_0000_0000 + u128::from(index));
        let mut guest = Self {
            name,
            id: VmId::Uuid(uuid),
            pid: 1000 + index,
            spec: spec.clone(),
            starts,
            memory: Memory::default(),
            marks: Watermarks::of(pages),
            totals: GuestTotals::default(),
            target: pages.saturating_sub(spec.ballooned.pages()),
            balloon_before: 0,
            by_hand: None,
            gone: false,
            waited: 0.0,
            own: OwnSwap { size: spec.own_swap.pages(), hot: 0, cold: 0 },
            without_service_until: 0,
            streamed: 0,
            asking: Asking::default(),
            work: Work::default(),
            anew: GuestTotals::default(),
            lag: if starts == 0 { lag } else { 0 },
        };
        guest.memory[PageKind::Free].untouched = pages;
        if starts == 0 {
            guest.settle_in();
        }
        guest
    }

    /// As it is after a long time without pressure: all that it needs is resident.
    fn settle_in(&mut self) {
        let demand = self.spec.load.demand(0);
        let uses = [
            (PageKind::Hot, demand.hot),
            (PageKind::Cold, demand.cold),
            (PageKind::CacheHot, demand.cache),
            (PageKind::CacheCold, demand.read_once),
        ];
        self.balloon_before =
            self.memory.turn(PageKind::Free, PageKind::Balloon, self.spec.ballooned.pages());
        for (kind, pages) in uses {
            self.memory.allocate(kind, pages);
            let backing = &mut self.memory[kind];
            backing.resident += std::mem::take(&mut backing.untouched);
        }
        let free = &mut self.memory[PageKind::Free];
        let resident = self.spec.dead.resident.pages().min(free.untouched);
        let swapped = self.spec.dead.swapped.pages().min(free.untouched - resident);
        free.untouched -= resident + swapped;
        free.resident += resident;
        free.swapped += swapped;
        if self.spec.pinned {
            for kind in PageKind::ALL {
                let backing = &mut self.memory[kind];
                backing.resident += std::mem::take(&mut backing.untouched);
            }
        }
    }

    pub(super) fn maximum(&self) -> u64 {
        self.spec.memory.pages()
    }

    /// Its logical size now.
    pub(super) fn actual(&self) -> u64 {
        self.maximum().saturating_sub(self.memory[PageKind::Balloon].total())
    }

    pub(super) fn runs(&self, second: u64) -> bool {
        !self.gone && second >= self.starts
    }

    /// Seconds since its start, as its load counts them.
    pub(super) fn age(&self, second: u64) -> u64 {
        second.saturating_sub(self.starts).saturating_sub(self.lag)
    }

    /// Whether its balloon driver runs.
    pub(super) fn is_up(&self, second: u64) -> bool {
        let rebooting = self.since_reboot(second).is_some_and(|since| since < REBOOT);
        self.runs(second) && !self.spec.load.boots(self.age(second)) && !rebooting
    }

    pub(super) fn since_reboot(&self, second: u64) -> Option<u64> {
        second.checked_sub(self.spec.reboots?)
    }

    /// What its programs want, or its kernel while it boots again.
    pub(super) fn wanted(&self, second: u64) -> Demand {
        match self.since_reboot(second) {
            Some(since) if since < REBOOT => {
                let hot = self.maximum() / REBOOT_TOUCHES * (since + 1) / REBOOT;
                Demand { hot, ..Demand::default() }
            }
            _ => self.spec.load.demand(self.age(second)),
        }
    }

    /// Memory that it needs to do all its work without waiting: at most its size, and all of it if
    /// the host can't get back any of it.
    pub(super) fn needs(&self, second: u64) -> u64 {
        if self.spec.pinned {
            return self.maximum();
        }
        let Demand { hot, cold, cache, .. } = self.wanted(second);
        (hot + cold + cache).min(self.maximum())
    }

    /// The guest begins anew: all of its memory is free to it, and the host keeps what it
    /// had. QEMU keeps the balloon's target, and the new driver starts from an empty one.
    pub(super) fn reboot(&mut self) {
        for kind in PageKind::ALL.into_iter().filter(|kind| *kind != PageKind::Free) {
            let pages = self.memory[kind].total();
            self.memory.turn(kind, PageKind::Free, pages);
        }
        self.own = OwnSwap { size: self.own.size, ..OwnSwap::default() };
        self.asking = Asking::default();
        self.balloon_before = 0;
        self.without_service_until = 0;
        self.anew = self.totals;
    }

    /// Pages a second of its own swap, and the wait for one.
    pub(super) const fn own_device(&self) -> (u64, f64) {
        match self.spec.own_swap_kind {
            OwnSwapKind::Disk => (DISK, DISK_SECONDS),
            OwnSwapKind::Zram => (ZRAM, ZRAM_SECONDS),
        }
    }

    /// MemAvailable: `si_mem_available()` in `mm/show_mem.c`.
    pub(super) fn available(&self) -> u64 {
        let caches = self.caches();
        let kept = (caches / 2).min(self.marks.low);
        (self.memory[PageKind::Free].total() + caches).saturating_sub(self.marks.high + kept)
    }

    pub(super) fn caches(&self) -> u64 {
        self.memory[PageKind::CacheHot].total() + self.memory[PageKind::CacheCold].total()
    }

    pub(super) fn migrates(&self, second: u64) -> bool {
        self.spec.migrates.is_some_and(|[first, last]| (first..=last).contains(&second))
    }
}
