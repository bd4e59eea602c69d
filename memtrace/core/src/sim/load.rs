//! Loads of guests over time: the behaviours of scenarios.

use serde::{Deserialize, Serialize};

use super::size::{Size, bytes};

/// What a guest's programs want. What is left is free in the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Needs {
    /// The working set, the guest's kernel included.
    #[serde(skip_serializing_if = "Size::is_zero")]
    pub hot: Size,
    /// Allocated and seldom touched.
    #[serde(skip_serializing_if = "Size::is_zero")]
    pub cold: Size,
    /// Files that are read again and again.
    #[serde(skip_serializing_if = "Size::is_zero")]
    pub cache: Size,
    /// Files that are read once, and stay cached while there is room.
    #[serde(skip_serializing_if = "Size::is_zero")]
    pub read_once: Size,
    /// How much of such files is read in a second.
    #[serde(skip_serializing_if = "Size::is_zero")]
    pub streams: Size,
}

/// How a guest's needs go with time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Load {
    /// Always the same; with much `cache` a cache-heavy guest, with little of anything an
    /// idle one.
    Steady { needs: Needs },
    /// Busy for `lasts` seconds every so many, first at `first`; quiet else. An allocation
    /// in one second, so that a guest with little room is OOM-prone.
    Bursty { quiet: Needs, busy: Needs, first: u64, every: u64, lasts: u64 },
    /// A leak: cold memory grows until it has grown by `until`, and begins anew.
    Growing { from: Needs, per_second: Size, until: Size },
    /// Points in time, joined by straight lines; constant before the first and after the last.
    /// Repeated `every` so many seconds: days and nights, garbage-collected heaps, snapshots of a
    /// database whose child copies what is written.
    Phases {
        steps: Vec<Step>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<u64>,
    },
    /// Touches this much within `lasts` seconds of its start (firmware, kernel, page cache; Windows
    /// zeroes everything), and then has its ordinary demand.
    Booting { touches: Size, lasts: u64, needs: Needs },
}

/// Needs in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub at: u64,
    pub needs: Needs,
}

/// What is wanted at one moment, in base pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) hot: u64,
    pub(super) cold: u64,
    pub(super) cache: u64,
    pub(super) read_once: u64,
    /// In a second.
    pub(super) streams: u64,
}

impl From<Needs> for Demand {
    fn from(needs: Needs) -> Self {
        Self {
            hot: needs.hot.pages(),
            cold: needs.cold.pages(),
            cache: needs.cache.pages(),
            read_once: needs.read_once.pages(),
            streams: needs.streams.pages(),
        }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self::Steady { needs: Needs::default() }
    }
}

impl Load {
    /// What is wanted `second` seconds after the guest's start.
    pub(super) fn demand(&self, second: u64) -> Demand {
        match self {
            Self::Steady { needs } => (*needs).into(),
            Self::Bursty { quiet, busy, first, every, lasts } => {
                let since = second.checked_sub(*first);
                let at = since.map(|since| since.checked_rem(*every).unwrap_or(since));
                (if at.is_some_and(|at| at < *lasts) { *busy } else { *quiet }).into()
            }
            Self::Growing { from, per_second, until } => {
                let grown = second.saturating_mul(per_second.pages());
                let grown = grown.checked_rem(until.pages()).unwrap_or(0);
                let demand = Demand::from(*from);
                Demand { cold: demand.cold + grown, ..demand }
            }
            Self::Phases { steps, every } => {
                let every = every.and_then(|every| second.checked_rem(every));
                between(steps, every.unwrap_or(second))
            }
            Self::Booting { touches, lasts, needs } if second < *lasts => {
                let share = (second + 1) as f64 / *lasts as f64;
                let hot = (touches.pages() as f64 * share) as u64;
                Demand { hot, ..Demand::default() }
            }
            Self::Booting { needs, .. } => (*needs).into(),
        }
    }

    /// What is wanted `second` seconds after the guest's start, as a file would say it.
    pub fn needs(&self, second: u64) -> Needs {
        let Demand { hot, cold, cache, read_once, streams } = self.demand(second);
        let size = |pages| Size(bytes(pages));
        Needs {
            hot: size(hot),
            cold: size(cold),
            cache: size(cache),
            read_once: size(read_once),
            streams: size(streams),
        }
    }

    /// Whether the guest is still booting.
    pub(super) fn boots(&self, second: u64) -> bool {
        matches!(self, Self::Booting { lasts, .. } if second < *lasts)
    }
}

fn between(steps: &[Step], second: u64) -> Demand {
    let before = steps.iter().rev().find(|step| step.at <= second);
    let after = steps.iter().find(|step| step.at > second);
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (Some(only), None) | (None, Some(only)) => return only.needs.into(),
        (None, None) => return Demand::default(),
    };
    let part = (second - before.at) as f64 / (after.at - before.at) as f64;
    let (from, to) = (Demand::from(before.needs), Demand::from(after.needs));
    let line = |from: u64, to: u64| (from as f64 + (to as f64 - from as f64) * part) as u64;
    Demand {
        hot: line(from.hot, to.hot),
        cold: line(from.cold, to.cold),
        cache: line(from.cache, to.cache),
        read_once: line(from.read_once, to.read_once),
        streams: line(from.streams, to.streams),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(hot: u64) -> Needs {
        Needs { hot: Size::mib(hot), ..Needs::default() }
    }

    fn hot(load: &Load, second: u64) -> u64 {
        load.demand(second).hot / Size::mib(1).pages()
    }

    #[test]
    fn bursts_come_again() {
        let load = Load::Bursty { quiet: needs(1), busy: needs(9), first: 10, every: 20, lasts: 5 };
        let hot: Vec<u64> = [0, 9, 10, 14, 15, 30, 35].map(|at| hot(&load, at)).to_vec();
        assert_eq!(hot, [1, 1, 9, 9, 1, 9, 1]);
    }

    #[test]
    fn a_leak_ends_and_begins_anew() {
        let load = Load::Growing { from: needs(1), per_second: Size::mib(2), until: Size::mib(10) };
        let cold = [0, 1, 4, 5].map(|at| load.demand(at).cold / Size::mib(1).pages());
        assert_eq!(cold, [0, 2, 8, 0]);
    }

    #[test]
    fn phases_are_joined_by_lines() {
        let steps = vec![Step { at: 5, needs: needs(10) }, Step { at: 15, needs: needs(30) }];
        let load = Load::Phases { steps: steps.clone(), every: None };
        assert_eq!([0, 5, 6, 10, 15, 99].map(|at| hot(&load, at)), [10, 10, 12, 20, 30, 30]);
        let load = Load::Phases { steps, every: Some(20) };
        assert_eq!(
            [5, 10, 15, 19, 20, 25, 30].map(|at| hot(&load, at)),
            [10, 20, 30, 30, 10, 10, 20]
        );
    }

    #[test]
    fn a_boot_touches_more_than_is_needed_later() {
        let load = Load::Booting { touches: Size::mib(100), lasts: 10, needs: needs(20) };
        assert_eq!([0, 4, 9, 10].map(|at| hot(&load, at)), [10, 50, 100, 20]);
        assert_eq!([9, 10].map(|at| load.boots(at)), [true, false]);
        assert_eq!([4, 10].map(|at| load.needs(at).hot), [Size::mib(50), Size::mib(20)]);
    }
}
