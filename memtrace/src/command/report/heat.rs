//! Total pages reclaimed by one party from another. Pure.

use std::collections::BTreeMap;

use memtrace_core::model::Snapshot;
use memtrace_core::sample::Party;

/// Maximum number of pairs.
const MOST_PAIRS: usize = 4096;
/// Most rows and columns of a map.
pub const SIDE: usize = 12;

/// Pages by causer and victim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flows {
    pairs: BTreeMap<(Party, Party), f64>,
    /// Of pairs beyond the most.
    others: f64,
    known: bool,
    because: Option<String>,
}

/// The largest of them, for a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// In the order of rows; `None` stands for all others.
    pub causers: Vec<Option<Party>>,
    pub victims: Vec<Option<Party>>,
    /// Pages, a row for each causer.
    pub cells: Vec<Vec<f64>>,
}

impl Flows {
    /// Adds the pages reclaimed in the seconds before a snapshot.
    pub fn add(&mut self, snapshot: &Snapshot, seconds: f64) {
        let Some(flows) = &snapshot.flows.value else {
            let reason = snapshot.flows.quality.reason();
            if self.because.as_deref() != reason {
                self.because = reason.map(str::to_owned);
            }
            return;
        };
        self.known |= seconds > 0.0;
        for flow in flows {
            let pages = flow.pages.0 * seconds;
            if !(pages.is_finite() && pages > 0.0) {
                continue;
            }
            let pair = (flow.causer, flow.victim);
            if self.pairs.len() < MOST_PAIRS || self.pairs.contains_key(&pair) {
                *self.pairs.entry(pair).or_default() += pages;
            } else {
                self.others += pages;
            }
        }
    }

    /// The largest parties on each side, the largest first; all others in a last row and column.
    /// `Err`: why it is unknown.
    ///
    /// # Errors
    /// Why it is unknown.
    pub fn heat(&self) -> Result<Heat, &str> {
        if !self.known {
            return Err(self.because.as_deref().unwrap_or("no interval was recorded"));
        }
        let causers = self.largest(|pair| pair.0);
        let victims = self.largest(|pair| pair.1);
        let mut cells = vec![vec![0.0; victims.len() + 1]; causers.len() + 1];
        let place = |side: &[Party], one: Party| {
            side.iter().position(|other| *other == one).unwrap_or(side.len())
        };
        let mut add = |row: usize, column: usize, pages: f64| {
            if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell += pages;
            }
        };
        for ((causer, victim), pages) in &self.pairs {
            add(place(&causers, *causer), place(&victims, *victim), *pages);
        }
        add(causers.len(), victims.len(), self.others);
        Ok(trimmed(&causers, &victims, cells))
    }

    fn largest(&self, side: impl Fn(&(Party, Party)) -> Party) -> Vec<Party> {
        let mut sums: BTreeMap<Party, f64> = BTreeMap::new();
        for (pair, pages) in &self.pairs {
            *sums.entry(side(pair)).or_default() += pages;
        }
        let mut sums: Vec<(Party, f64)> = sums.into_iter().collect();
        sums.sort_by(|one, other| other.1.total_cmp(&one.1));
        sums.into_iter().take(SIDE).map(|(party, _)| party).collect()
    }
}

/// Without the row and the column of others where there are none.
fn trimmed(causers: &[Party], victims: &[Party], mut cells: Vec<Vec<f64>>) -> Heat {
    let named = |side: &[Party]| side.iter().copied().map(Some).collect::<Vec<_>>();
    let (mut rows, mut columns) = (named(causers), named(victims));
    if cells.last().is_some_and(|row| row.iter().all(|pages| *pages <= 0.0)) {
        cells.pop();
    } else {
        rows.push(None);
    }
    if cells.iter().all(|row| row.last().is_none_or(|pages| *pages <= 0.0)) {
        for row in &mut cells {
            row.pop();
        }
    } else {
        columns.push(None);
    }
    Heat { causers: rows, victims: columns, cells }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::model::Measured;
    use memtrace_core::model::snapshot::FlowView;
    use memtrace_core::sample::VmId;
    use memtrace_core::units::Rate;

    #[test]
    fn pages_add_up_and_the_largest_come_first() {
        let (mut flows, demo) = (Flows::default(), fixture::demo());
        flows.add(&demo, 1.0);
        flows.add(&demo, 2.0);
        let [noisy, victim] = [0, 1].map(|index: usize| Some(Party::Vm(demo.vms[index].id)));
        let heat = flows.heat().expect("it is known");
        assert_eq!(heat.causers, [noisy, Some(Party::Kswapd), Some(Party::Other)]);
        assert_eq!(heat.victims, [noisy, victim]);
        assert_eq!(heat.cells[0], [15_720.0, 1_620.0]);
    }

    #[test]
    fn pairs_without_room_are_added_to_other() {
        let mut snapshot = fixture::snapshot(Vec::new());
        let party = |pid| Party::Vm(VmId::Process { pid, start: 1 });
        let flow = |pid: u32| FlowView {
            causer: party(pid),
            victim: Party::Other,
            pages: Rate(f64::from(100 - pid)),
            total_pages: 1,
        };
        snapshot.flows = Measured::exact((1..=20).map(flow).collect());
        let mut flows = Flows::default();
        flows.add(&snapshot, 1.0);
        let heat = flows.heat().expect("it is known");
        assert_eq!((heat.causers.len(), heat.victims.len()), (SIDE + 1, 1));
        assert_eq!((heat.causers[0], heat.causers[SIDE]), (Some(party(1)), None));
        assert_eq!(heat.cells[SIDE][0], (13..=20).map(|pid| f64::from(100 - pid)).sum::<f64>());
    }

    #[test]
    fn unknown_is_not_nothing() {
        let mut flows = Flows::default();
        flows.add(&fixture::without_kernel_side(), 1.0);
        assert!(flows.heat().is_err_and(|why| why.contains("CAP_BPF")));
    }
}
