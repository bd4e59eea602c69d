//! The table of (causer, victim) pairs: read once a tick, and kept from filling up with pairs
//! that take nothing from each other any more.

use std::collections::BTreeMap;

use anyhow::Result;
use aya::Ebpf;
use aya::maps::{MapData, PerCpuHashMap};
use memtrace_ebpf::FlowKey;

use super::load::{ignore_missing, map};

/// A pair that did not grow in so many readings makes room.
const IDLE: u32 = 10;
/// Totals that are kept of pairs that made room. Beyond that pairs stay in the table.
const MOST_KEPT: usize = 1 << 16;

/// The table, and the totals of pairs that made room in it.
pub struct Flows {
    table: PerCpuHashMap<MapData, FlowKey, u64>,
    pairs: Pairs,
}

impl Flows {
    pub fn new(ebpf: &mut Ebpf, room: u32) -> Result<Self> {
        Ok(Self { table: map(ebpf, "FLOWS")?, pairs: Pairs::new(room) })
    }

    /// Pages by pair, totals. Makes room where the table is nearly full; failures go into
    /// `problems`.
    pub(crate) fn read(&mut self, problems: &mut Vec<String>) -> Vec<(FlowKey, u64)> {
        let entries = self.table.iter().filter_map(Result::ok);
        let entries: Vec<(FlowKey, u64)> =
            entries.map(|(key, values)| (key, values.iter().sum())).collect();
        let idle = self.pairs.idle(&entries);
        let totals = self.pairs.totals(entries);
        for key in idle {
            if let Err(error) = self.make_room(key) {
                problems.push(format!("cannot make room for flows: {error:#}"));
                break;
            }
        }
        totals
    }

    /// Takes a pair out. What it grows by between the two calls is lost; it has just been seen
    /// not to grow in many readings.
    fn make_room(&mut self, key: FlowKey) -> Result<()> {
        let pages = self.table.get(&key, 0)?.iter().sum();
        ignore_missing(self.table.remove(&key))?;
        self.pairs.keep(key, pages);
        Ok(())
    }

    /// Forgets all pairs of a slot.
    pub(crate) fn forget(&mut self, slot: u32) -> Result<()> {
        let touches = |key: &FlowKey| key.causer == slot || key.victim == slot;
        self.pairs.kept.retain(|key, _| !touches(key));
        self.pairs.seen.retain(|key, _| !touches(key));
        let keys: Vec<FlowKey> = self.table.keys().flatten().filter(touches).collect();
        keys.iter().try_for_each(|key| ignore_missing(self.table.remove(key)))
    }
}

/// A pair as it was read last.
#[derive(Clone, Copy, Debug)]
struct PairReading {
    pages: u64,
    /// Readings since it grew.
    idle: u32,
}

/// Which pairs stand still, and the totals of those that are in the table no more. Pure.
#[derive(Debug)]
struct Pairs {
    room: usize,
    kept: BTreeMap<FlowKey, u64>,
    seen: BTreeMap<FlowKey, PairReading>,
}

impl Pairs {
    fn new(room: u32) -> Self {
        Self { room: room as usize, kept: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// The table's pages, with those that pairs had before they made room.
    fn totals(&self, entries: Vec<(FlowKey, u64)>) -> Vec<(FlowKey, u64)> {
        if self.kept.is_empty() {
            return entries;
        }
        let mut totals = self.kept.clone();
        for (key, pages) in entries {
            let total = totals.entry(key).or_default();
            *total = total.saturating_add(pages);
        }
        totals.into_iter().collect()
    }

    /// Pairs that are to make room: none while the table has a quarter left.
    fn idle(&mut self, entries: &[(FlowKey, u64)]) -> Vec<FlowKey> {
        let before = std::mem::take(&mut self.seen);
        if entries.len() <= self.room - self.room / 4 {
            return Vec::new();
        }
        self.seen = entries
            .iter()
            .map(|(key, pages)| {
                let still = before.get(key).filter(|seen| seen.pages == *pages);
                let idle = still.map_or(0, |seen| seen.idle.saturating_add(1));
                (*key, PairReading { pages: *pages, idle })
            })
            .collect();
        let left = MOST_KEPT.saturating_sub(self.kept.len());
        let idle = self.seen.iter().filter(|(_, seen)| seen.idle >= IDLE);
        idle.map(|(key, _)| *key).take(left).collect()
    }

    fn keep(&mut self, key: FlowKey, pages: u64) {
        let kept = self.kept.entry(key).or_default();
        *kept = kept.saturating_add(pages);
        self.seen.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(causer: u32) -> FlowKey {
        FlowKey { causer, victim: 9 }
    }

    #[test]
    fn pairs_that_stand_still_make_room_only_where_it_is_short() {
        let mut pairs = Pairs::new(4);
        let few: Vec<(FlowKey, u64)> = (0..3).map(|causer| (key(causer), 5)).collect();
        for _ in 0..=2 * IDLE {
            assert_eq!(pairs.idle(&few), []);
        }
        let full = |pages| -> Vec<(FlowKey, u64)> {
            let still = (0..3).map(|causer| (key(causer), 5));
            still.chain([(key(3), pages)]).collect()
        };
        for reading in 0..IDLE {
            assert_eq!(pairs.idle(&full(u64::from(reading))), [], "reading {reading}");
        }
        assert_eq!(pairs.idle(&full(u64::from(IDLE))), [key(0), key(1), key(2)]);
    }

    #[test]
    fn a_pair_that_made_room_keeps_its_total_and_goes_on_from_it() {
        let mut pairs = Pairs::new(4);
        pairs.keep(key(0), 30);
        assert_eq!(pairs.totals(vec![(key(1), 2)]), [(key(0), 30), (key(1), 2)]);
        assert_eq!(pairs.totals(vec![(key(0), 4)]), [(key(0), 34)]);
        pairs.keep(key(0), 4);
        assert_eq!(pairs.totals(vec![]), [(key(0), 34)]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut pairs = Pairs::new(4);
        for causer in 0..MOST_KEPT as u32 - 1 {
            pairs.keep(FlowKey { causer, victim: 1 }, 1);
        }
        let entries: Vec<(FlowKey, u64)> = (0..4).map(|causer| (key(causer), 1)).collect();
        for reading in 0..IDLE {
            assert_eq!(pairs.idle(&entries), [], "reading {reading}");
        }
        assert_eq!(pairs.idle(&entries), [key(0)], "there is room for one");
        pairs.keep(key(0), 1);
        assert_eq!(pairs.idle(&entries[1..]), []);
        for _ in 0..=2 * IDLE {
            assert_eq!(pairs.idle(&entries), [], "nothing more is kept");
        }
    }
}
