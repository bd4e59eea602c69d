//! What a guest's programs want done and get done, and how they ask before they allocate.
//! Amounts are base pages, a step is a second.

use super::guest::Guest;
use super::load::Demand;
use super::memory::PageKind;

/// Programs that were refused memory ask again after so many seconds.
const ASK_AGAIN: u64 = 60;

/// Pages that a load would touch in a second, and those that it touches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    pub(super) wanted: f64,
    pub(super) done: f64,
}

/// What programs asked for that look at what is available first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asking {
    /// They may allocate up to this.
    granted: u64,
    /// When they were last refused, until they want no more than they have.
    refused: Option<u64>,
}

/// Pages that are touched in a second of so many of each kind.
fn touches(hot: u64, cold: u64, cache: u64) -> f64 {
    hot as f64 * PageKind::Hot.touched()
        + cold as f64 * PageKind::Cold.touched()
        + cache as f64 * PageKind::CacheHot.touched()
}

impl Guest {
    /// The work of this second, before the host had a say.
    pub(super) fn touched(&self, wanted: Demand) -> Work {
        let Demand { hot, cold, cache, .. } = wanted;
        let there = |kind: PageKind, wanted: u64| self.memory[kind].total().min(wanted);
        Work {
            wanted: touches(hot, cold, cache),
            done: touches(
                there(PageKind::Hot, hot),
                there(PageKind::Cold, cold),
                there(PageKind::CacheHot, cache),
            ),
        }
    }

    /// Nothing is done by a guest that was killed.
    pub(super) fn idle(&self, second: u64) -> Work {
        Work { done: 0.0, ..self.touched(self.wanted(second)) }
    }

    /// What programs allocate that ask first: all of what they want more, or nothing of it.
    pub(super) fn admit(&mut self, demand: Demand, second: u64) -> Demand {
        if !self.spec.asks_first {
            return demand;
        }
        let (need, held) = (demand.hot + demand.cold, self.hot() + self.cold());
        self.asking.granted = self.asking.granted.min(need);
        if need <= held.max(self.asking.granted) {
            self.asking.refused = None;
            return demand;
        }
        let waits = self.asking.refused.is_some_and(|at| second - at < ASK_AGAIN);
        if !waits && self.available() >= need - held {
            self.asking = Asking { granted: need, refused: None };
            return demand;
        }
        if !waits {
            self.asking.refused = Some(second);
            self.totals.refused += 1;
        }
        Demand { hot: demand.hot.min(self.hot()), cold: demand.cold.min(self.cold()), ..demand }
    }
}
