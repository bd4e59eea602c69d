//! One guest: its programs allocate, free and read files; its kernel drops caches, swaps, and kills
//! when nothing else is left. Amounts are base pages, a step is a second. Doesn't know the host's
//! memory.

use super::guest::{DISK, DISK_SECONDS, Guest};
use super::load::Demand;
use super::memory::{PageKind, Wants};
use super::size::MIB_PAGES;
use super::work::Asking;

/// Most that programs allocate in a second.
const ALLOCATION: u64 = 512 * MIB_PAGES;
/// A service that was killed is back after this many seconds.
const RESTART: u64 = 60;

impl Guest {
    /// One second of its programs and its kernel.
    pub(super) fn live(&mut self, second: u64) {
        self.waited = 0.0;
        if self.spec.reboots == Some(second) {
            self.reboot();
        }
        let wanted = self.wanted(second);
        let demand = self.admit(self.demand(wanted, second), second);
        self.totals.minor_faults += 100;
        self.change_use(demand);
        self.release(demand);
        self.grow(PageKind::Hot, demand.hot.saturating_sub(self.hot()), second);
        self.grow(PageKind::Cold, demand.cold.saturating_sub(self.cold()), second);
        self.page_in();
        self.balance();
        self.read_again(demand.cache);
        let found_room = self.read_once(demand.read_once, demand.streams);
        self.streamed = demand.streams.saturating_sub(found_room);
        if second < self.without_service_until {
            self.waited += 1.0;
        }
        self.work = self.touched(wanted);
    }

    /// Pages that it would touch in this second and that aren't resident on the host.
    pub(super) fn wants(&self) -> Wants {
        self.memory.wants(self.streamed)
    }

    /// Makes pages resident, at most those wanted. Returns how many.
    pub(super) fn bring(&mut self, granted: Wants) -> Wants {
        self.memory.bring(granted, self.streamed)
    }

    /// While a killed service is down, half of the demand.
    fn demand(&self, demand: Demand, second: u64) -> Demand {
        if second >= self.without_service_until {
            return demand;
        }
        Demand { hot: demand.hot / 2, cold: demand.cold / 2, ..demand }
    }

    pub(super) fn hot(&self) -> u64 {
        self.memory[PageKind::Hot].total() + self.own.hot
    }

    pub(super) fn cold(&self) -> u64 {
        self.memory[PageKind::Cold].total() + self.own.cold
    }

    /// What gets warm, and what gets cold.
    fn change_use(&mut self, demand: Demand) {
        let cooled = self.hot().saturating_sub(demand.hot);
        let cooled = cooled.min(demand.cold.saturating_sub(self.cold()));
        let moved = self.memory.turn(PageKind::Hot, PageKind::Cold, cooled);
        self.own.hot -= cooled - moved;
        self.own.cold += cooled - moved;
        let warmed = self.cold().saturating_sub(demand.cold);
        let warmed = warmed.min(demand.hot.saturating_sub(self.hot()));
        let moved = self.memory.turn(PageKind::Cold, PageKind::Hot, warmed);
        self.own.cold -= warmed - moved;
        self.own.hot += warmed - moved;
        let stale = self.memory[PageKind::CacheHot].total().saturating_sub(demand.cache);
        self.memory.turn(PageKind::CacheHot, PageKind::CacheCold, stale);
    }

    fn release(&mut self, demand: Demand) {
        let hot = self.hot().saturating_sub(demand.hot);
        let dropped = hot.min(self.own.hot);
        self.own.hot -= dropped;
        self.memory.turn(PageKind::Hot, PageKind::Free, hot - dropped);
        let cold = self.cold().saturating_sub(demand.cold);
        let dropped = cold.min(self.own.cold);
        self.own.cold -= dropped;
        self.memory.turn(PageKind::Cold, PageKind::Free, cold - dropped);
    }

    fn grow(&mut self, kind: PageKind, pages: u64, second: u64) {
        // A program that waits for a page doesn't allocate the next one.
        let pages = pages.min(ALLOCATION.saturating_sub(self.memory[kind].untouched));
        let mut room = self.make_room(pages, PageKind::Hot);
        if room < pages && self.spec.deflate_on_oom {
            room += self.memory.turn(PageKind::Balloon, PageKind::Free, pages - room);
        }
        self.memory.allocate(kind, pages.min(room));
        if room >= pages {
            return;
        }
        if self.own.room() > 0 {
            // It waits until its swap has taken enough.
            self.waited += 1.0;
        } else if second >= self.without_service_until {
            // Programs that remain while a service is down get by with the memory there is.
            self.kill(second);
        }
    }

    /// The guest's OOM killer: half of what is allocated goes, and a service with it.
    fn kill(&mut self, second: u64) {
        self.totals.ooms += 1;
        self.without_service_until = second + RESTART;
        self.asking = Asking::default();
        self.own.hot /= 2;
        self.own.cold /= 2;
        for kind in [PageKind::Hot, PageKind::Cold] {
            let half = self.memory[kind].total() / 2;
            self.memory.turn(kind, PageKind::Free, half);
        }
    }

    /// Frees pages until `pages` can be allocated: caches first, then pages that its own swap
    /// takes, of kinds up to `most`. Returns how many can be allocated.
    pub(super) fn make_room(&mut self, pages: u64, most: PageKind) -> u64 {
        for kind in [PageKind::CacheCold, PageKind::CacheHot] {
            let lack = pages.saturating_sub(self.room());
            self.memory.turn(kind, PageKind::Free, lack);
        }
        let (speed, _) = self.own_device();
        for kind in [PageKind::Cold, PageKind::Hot] {
            let lack = pages.saturating_sub(self.room());
            let space = self.own.room();
            if kind == PageKind::Cold || kind == most {
                let out = self.memory.turn(kind, PageKind::Free, lack.min(space).min(speed));
                *(if kind == PageKind::Cold { &mut self.own.cold } else { &mut self.own.hot }) +=
                    out;
                self.totals.swap_out += out;
                self.waited += out as f64 / speed as f64;
            }
        }
        self.room()
    }

    /// Its kswapd: once less than the low mark is free, caches go until the high one is.
    fn balance(&mut self) {
        let free = self.memory[PageKind::Free].total();
        if free >= self.marks.low {
            return;
        }
        for kind in [PageKind::CacheCold, PageKind::CacheHot] {
            let lack = self.marks.high.saturating_sub(self.memory[PageKind::Free].total());
            self.memory.turn(kind, PageKind::Free, lack);
        }
    }

    /// Free pages above the guest's minimum.
    pub(super) fn room(&self) -> u64 {
        self.memory[PageKind::Free].total().saturating_sub(self.marks.min)
    }

    /// Free pages above what its kswapd keeps.
    fn room_for_files(&self) -> u64 {
        self.memory[PageKind::Free].total().saturating_sub(self.marks.high)
    }

    /// What its programs touch comes back from its own swap.
    fn page_in(&mut self) {
        let touched = |pages: u64, kind: PageKind| (pages as f64 * kind.touched()).ceil() as u64;
        let hot = touched(self.own.hot, PageKind::Hot).min(self.own.hot);
        let cold = touched(self.own.cold, PageKind::Cold).min(self.own.cold);
        let wanted = hot + cold;
        if wanted == 0 {
            return;
        }
        let (speed, seconds) = self.own_device();
        let room = self.make_room(wanted.min(speed), PageKind::Cold).min(wanted).min(speed);
        let back = self.memory.allocate(PageKind::Hot, room.min(hot));
        self.own.hot -= back;
        let cold_back = self.memory.allocate(PageKind::Cold, (room - back).min(cold));
        self.own.cold -= cold_back;
        self.totals.swap_in += back + cold_back;
        self.totals.major_faults += back + cold_back;
        self.wait_for_device(wanted, back + cold_back, seconds);
    }

    /// Files that are read again and again, as far as they aren't cached.
    fn read_again(&mut self, demand: u64) {
        let missing = demand.saturating_sub(self.memory[PageKind::CacheHot].total());
        let wanted = (missing as f64 * PageKind::CacheHot.touched()).ceil() as u64;
        let read = wanted.min(DISK);
        let lack = read.saturating_sub(self.room_for_files());
        self.memory.turn(PageKind::CacheCold, PageKind::Free, lack);
        self.memory.allocate(PageKind::CacheHot, read.min(self.room_for_files()));
        // Mapped files fault, others are read.
        self.totals.major_faults += read / 2;
        self.wait_for_device(wanted, read, DISK_SECONDS);
    }

    /// Reads files once. Whether they are cached makes no difference to waits; they stay cached
    /// while there is room, so that a guest that goes on reading fills up. Returns the pages that
    /// found room.
    fn read_once(&mut self, demand: u64, streams: u64) -> u64 {
        let wanted = demand.saturating_sub(self.memory[PageKind::CacheCold].total()).max(streams);
        self.memory.allocate(PageKind::CacheCold, wanted.min(DISK).min(self.room_for_files()))
    }

    fn wait_for_device(&mut self, wanted: u64, done: u64, seconds: f64) {
        let blocked = wanted.saturating_sub(done) as f64 / wanted.max(1) as f64;
        self.waited += done as f64 * seconds + blocked * f64::from(self.spec.vcpus);
    }
}
