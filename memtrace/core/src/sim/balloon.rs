//! How a guest's balloon follows its target. Amounts are base pages.

use super::backing::Backing;
use super::guest::Guest;
use super::memory::PageKind;
use super::scenario::BalloonKind;
use super::size::MIB_PAGES;

/// Pages per second that the balloon takes from free memory, and that it takes by reclaim. 7 GiB in
/// 4.1 s were measured on an idle guest (Linux, "virtio-balloon: enhancements", 2017); each page is
/// handed over by itself, so less is to be expected elsewhere.
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
        self.balloon_before = self.memory[PageKind::Balloon].total();
    }

    /// One second of the balloon. `reads`: pages that may be swapped in for it on the host. Returns
    /// the backing that the host gets back, including what was swapped in for it.
    pub(super) fn move_balloon(&mut self, second: u64, reads: u64) -> Backing {
        let now = self.memory[PageKind::Balloon].total();
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
        self.memory.turn(PageKind::Balloon, PageKind::Free, now.saturating_sub(wanted).min(speed));
        self.inflate(wanted.saturating_sub(now).min(speed), reads)
    }

    /// One second of free page reporting. Returns what the host gets back.
    pub(super) fn report_free(&mut self, second: u64) -> Backing {
        if !self.spec.free_page_reporting || self.spec.pinned || !self.is_up(second) {
            return Backing::default();
        }
        let free = &mut self.memory[PageKind::Free];
        let kept = free.total() / KEPT;
        free.give_up((free.resident + free.swapped).saturating_sub(kept).min(SPEED))
    }

    /// The guest's kernel zeroes each page that it allocates (`CONFIG_INIT_ON_ALLOC_DEFAULT_ON`, as
    /// Debian and Ubuntu have it), so that one in the host's swap is read before it's given up.
    fn inflate(&mut self, pages: u64, reads: u64) -> Backing {
        let free = self.room();
        let pages = pages.min(free.max(RECLAIM_SPEED));
        // Takes page caches and cold pages, never the working set; after that inflating stops.
        let room = self.make_room(pages, PageKind::Cold);
        let free = self.memory[PageKind::Free];
        let readable = reads as f64 * free.total() as f64 / free.swapped.max(1) as f64;
        let taken = self.memory[PageKind::Free].take(pages.min(room).min(readable as u64));
        if self.spec.pinned {
            self.memory[PageKind::Balloon].put(taken);
            return Backing::default();
        }
        self.memory[PageKind::Balloon].put(Backing::untouched(taken.total()));
        taken
    }
}
