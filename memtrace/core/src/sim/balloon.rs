//! How a guest's balloon follows what it is told. Amounts are base pages.

use super::backing::Backing;
use super::guest::Guest;
use super::memory::Kind;
use super::scenario::BalloonKind;
use super::size::MIB_PAGES;

/// Pages a second while the guest has free ones, and while it has to reclaim for them.
/// 7 GiB in 4.1 s were measured on an idle guest (Linux, "virtio-balloon: enhancements",
/// 2017); each page is handed over by itself, so less is to be expected elsewhere.
const SPEED: u64 = 512 * MIB_PAGES;
const RECLAIM_SPEED: u64 = 128 * MIB_PAGES;
const SLOW: u64 = 4 * MIB_PAGES;
/// Part of free memory that lies in blocks too small to be reported (under a page block).
const KEPT: u64 = 10;

impl Guest {
    /// Tells the balloon a new logical size, as a hypervisor does: larger than the guest
    /// means all of it.
    pub(super) fn tell(&mut self, size: u64) {
        self.target = size.min(self.maximum());
        self.balloon_before = self.memory[Kind::Balloon].total();
    }

    /// One second of the balloon. Returns what the host gets back.
    pub(super) fn move_balloon(&mut self, second: u64) -> Backing {
        let now = self.memory[Kind::Balloon].total();
        let told = self.maximum() - self.target;
        let (wanted, speed) = match self.spec.balloon {
            BalloonKind::None | BalloonKind::Stuck => (now, 0),
            BalloonKind::Slow => (told, SLOW),
            BalloonKind::HalfStuck => (u64::midpoint(told, self.balloon_before), SPEED),
            BalloonKind::Working => (told, SPEED),
        };
        if !self.is_up(second) {
            return Backing::default();
        }
        self.memory.turn(Kind::Balloon, Kind::Free, now.saturating_sub(wanted).min(speed));
        self.inflate(wanted.saturating_sub(now).min(speed))
    }

    /// One second of free page reporting. Returns what the host gets back.
    pub(super) fn report_free(&mut self, second: u64) -> Backing {
        if !self.spec.free_page_reporting || self.spec.pinned || !self.is_up(second) {
            return Backing::default();
        }
        let free = &mut self.memory[Kind::Free];
        let kept = free.total() / KEPT;
        free.give_up((free.resident + free.swapped).saturating_sub(kept).min(SPEED))
    }

    fn inflate(&mut self, pages: u64) -> Backing {
        let free = self.room();
        let pages = pages.min(free.max(RECLAIM_SPEED));
        // It takes caches and what is cold, never the working set; then it is out of puff.
        let room = self.make_room(pages, Kind::Cold);
        let taken = self.memory[Kind::Free].take(pages.min(room));
        if self.spec.pinned {
            self.memory[Kind::Balloon].put(taken);
            return Backing::default();
        }
        self.memory[Kind::Balloon].put(Backing::untouched(taken.total()));
        taken
    }
}
