//! A guest's memory by kind: the guest's use of each page, and its backing on the host. Amounts are
//! base pages.

use std::ops::{Index, IndexMut};

use super::backing::{Backing, spread};

/// What a guest uses a page for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    /// The working set: touched all the time.
    Hot,
    /// Allocated, seldom touched.
    Cold,
    /// Page cache that is read again and again.
    CacheHot,
    /// Page cache that was read once.
    CacheCold,
    /// Free in the guest. Its backing on the host is unused memory.
    Free,
    /// In the balloon.
    Balloon,
}

impl PageKind {
    pub(super) const ALL: [Self; 6] =
        [Self::Hot, Self::Cold, Self::CacheHot, Self::CacheCold, Self::Free, Self::Balloon];

    /// Relative probability that host reclaim takes a page of this kind. It knows accessed bits
    /// only, so hot pages are mostly spared, not always.
    const fn eviction(self) -> f64 {
        match self {
            Self::Hot => 0.03,
            Self::Cold => 0.6,
            Self::CacheHot => 0.15,
            // Reused now and then, whereas unused memory is never touched.
            Self::CacheCold => 0.4,
            Self::Free => 1.0,
            Self::Balloon => 0.0,
        }
    }

    /// Share of such pages that the guest touches in a second.
    pub(super) const fn touched(self) -> f64 {
        match self {
            Self::Hot => 0.3,
            Self::Cold => 1.0 / 300.0,
            Self::CacheHot => 0.1,
            Self::CacheCold | Self::Free | Self::Balloon => 0.0,
        }
    }
}

/// All pages of a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory([Backing; PageKind::ALL.len()]);

impl Index<PageKind> for Memory {
    type Output = Backing;

    fn index(&self, kind: PageKind) -> &Backing {
        &self.0[kind as usize]
    }
}

impl IndexMut<PageKind> for Memory {
    fn index_mut(&mut self, kind: PageKind) -> &mut Backing {
        &mut self.0[kind as usize]
    }
}

/// Pages that a guest would touch if it need not wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// The host has nothing for them yet.
    pub(super) first: u64,
    /// They have to come back from the host's swap.
    pub(super) swapped: u64,
}

impl Wants {
    pub(super) const fn total(self) -> u64 {
        self.first + self.swapped
    }
}

impl Memory {
    fn sum(&self, field: impl Fn(&Backing) -> u64) -> u64 {
        self.0.iter().map(field).sum()
    }

    pub(super) fn total(&self) -> u64 {
        self.sum(Backing::total)
    }

    pub(super) fn resident(&self) -> u64 {
        self.sum(|backing| backing.resident)
    }

    pub(super) fn swapped(&self) -> u64 {
        self.sum(|backing| backing.swapped)
    }

    /// The guest is no more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Changes the use of pages; their backing stays. Returns how many.
    pub(super) fn turn(&mut self, from: PageKind, to: PageKind, pages: u64) -> u64 {
        let taken = self[from].take(pages);
        self[to].put(taken);
        taken.total()
    }

    /// Allocates free pages. Returns how many.
    pub(super) fn allocate(&mut self, to: PageKind, pages: u64) -> u64 {
        let taken = self[PageKind::Free].take_resident_first(pages);
        self[to].put(taken);
        taken.total()
    }

    /// (likelihood, resident pages) of each kind, for the host's reclaim.
    pub(super) fn evictable(&self) -> [(f64, u64); PageKind::ALL.len()] {
        PageKind::ALL.map(|kind| {
            let pages = self[kind].resident;
            (kind.eviction() * pages as f64, if kind == PageKind::Balloon { 0 } else { pages })
        })
    }

    /// Sends resident pages to the host's swap, by kind as in [`Self::evictable`].
    pub(super) fn evict(&mut self, pages: &[u64]) -> u64 {
        let mut evicted = 0;
        for (backing, pages) in self.0.iter_mut().zip(pages) {
            let pages = (*pages).min(backing.resident);
            backing.resident -= pages;
            backing.swapped += pages;
            evicted += pages;
        }
        evicted
    }

    /// `streamed`: cached pages that are overwritten with other files. The oldest are reused first,
    /// which are those that the host swapped out, so it swaps them in for nothing.
    fn wanted(&self, kind: PageKind, streamed: u64) -> Wants {
        let backing = self[kind];
        let swapped = match kind {
            PageKind::Free | PageKind::Balloon => return Wants::default(),
            PageKind::CacheCold => streamed as f64 * self.swapped_share(kind),
            _ => backing.swapped as f64 * kind.touched(),
        };
        let swapped = swapped.ceil() as u64;
        // What was allocated just now is written at once.
        Wants { first: backing.untouched, swapped: swapped.min(backing.swapped) }
    }

    fn swapped_share(&self, kind: PageKind) -> f64 {
        self[kind].swapped as f64 / self[kind].total().max(1) as f64
    }

    /// What the guest would touch in this second and the host hasn't in memory.
    pub(super) fn wants(&self, streamed: u64) -> Wants {
        PageKind::ALL.iter().fold(Wants::default(), |sum, kind| {
            let wants = self.wanted(*kind, streamed);
            Wants { first: sum.first + wants.first, swapped: sum.swapped + wants.swapped }
        })
    }

    /// Makes pages resident that are wanted; no more than are. Returns how many.
    pub(super) fn bring(&mut self, granted: Wants, streamed: u64) -> Wants {
        if granted.total() == 0 {
            return Wants::default();
        }
        let wanted = PageKind::ALL.map(|kind| self.wanted(kind, streamed));
        let parts = |field: fn(&Wants) -> u64| {
            wanted.iter().map(|wants| (field(wants) as f64, field(wants))).collect::<Vec<_>>()
        };
        let first = spread(granted.first, &parts(|wants| wants.first));
        let swapped = spread(granted.swapped, &parts(|wants| wants.swapped));
        let mut brought = Wants::default();
        for ((backing, first), swapped) in self.0.iter_mut().zip(first).zip(swapped) {
            backing.untouched -= first;
            backing.swapped -= swapped;
            backing.resident += first + swapped;
            brought.first += first;
            brought.swapped += swapped;
        }
        brought
    }
}
