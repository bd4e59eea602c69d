//! What the journal's entries add up to: the next id, orders in flight, and what memtrace
//! has taken. Pure: the same for entries that are written and entries that are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::JournalEntry;
use memtrace_core::policy::Action;
use memtrace_core::reactor::entry::{Begun, Holding};
use memtrace_core::sample::VmId;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct JournalState {
    pub(super) next_id: u64,
    pub(super) open: BTreeMap<u64, Begun>,
    pub(super) holdings: BTreeMap<VmId, Holding>,
}

/// The form in a header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HeaderState {
    next_id: u64,
    open: Vec<Begun>,
    holdings: Vec<Holding>,
}

impl Default for JournalState {
    fn default() -> Self {
        Self { next_id: 1, open: BTreeMap::new(), holdings: BTreeMap::new() }
    }
}

impl HeaderState {
    pub(super) fn into_open(self) -> Vec<Begun> {
        self.open
    }
}

impl JournalState {
    pub(super) fn apply(&mut self, entry: &JournalEntry) {
        match entry {
            JournalEntry::Header(header) => self.replace(&header.state),
            JournalEntry::Order(begun) => self.begin(begun),
            JournalEntry::End { id, error, .. } => self.end(*id, error.is_none()),
            JournalEntry::Forget { vm, .. } => {
                self.holdings.remove(vm);
            }
            JournalEntry::Start { .. }
            | JournalEntry::Stop { .. }
            | JournalEntry::Noted(_)
            | JournalEntry::Changed(_) => {}
        }
    }

    pub(super) fn state(&self) -> HeaderState {
        HeaderState {
            next_id: self.next_id,
            open: self.open.values().cloned().collect(),
            holdings: self.holdings.values().cloned().collect(),
        }
    }

    fn replace(&mut self, state: &HeaderState) {
        self.next_id = state.next_id.max(self.next_id);
        self.open = state.open.iter().map(|begun| (begun.order.id, begun.clone())).collect();
        self.holdings = state.holdings.iter().map(|held| (held.vm, held.clone())).collect();
    }

    fn begin(&mut self, begun: &Begun) {
        let order = &begun.order;
        self.next_id = self.next_id.max(order.id.saturating_add(1));
        self.open.insert(order.id, begun.clone());
        if let Action::Balloon { from, .. } = order.action {
            let holding = self.holdings.entry(order.vm).or_insert_with(|| Holding {
                vm: order.vm,
                name: order.name.clone(),
                pid: Some(order.pid),
                before: from,
                now: None,
            });
            holding.now = None;
        }
    }

    fn end(&mut self, id: u64, done: bool) {
        let Some(Begun { order, .. }) = self.open.remove(&id) else { return };
        let Action::Balloon { to, .. } = order.action else { return };
        let Some(holding) = self.holdings.get_mut(&order.vm) else { return };
        if !done {
            return;
        }
        holding.now = Some(to);
        // Balloons move by whole MiB.
        if to.0.saturating_add(1 << 20) > holding.before.0 {
            self.holdings.remove(&order.vm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::order::{Failure, Order};
    use memtrace_core::policy::{Reason, RuleId};
    use memtrace_core::units::Bytes;
    use memtrace_core::units::WallNanos;

    const VM: VmId = VmId::Process { pid: 5, start: 1 };
    const AT: WallNanos = WallNanos(7);

    fn order(id: u64, from: u64, to: u64) -> JournalEntry {
        let action = Action::Balloon { from: Bytes(from << 20), to: Bytes(to << 20) };
        let order = Order { id, vm: VM, pid: 5, name: "web".to_owned(), action };
        JournalEntry::Order(Begun {
            at: AT,
            order,
            rule: RuleId::Other,
            reason: Reason::Unrecorded,
        })
    }

    fn end(id: u64, error: Option<&str>) -> JournalEntry {
        JournalEntry::End {
            at: AT,
            id,
            error: error.map(|text| Failure::Reported(text.to_owned())),
        }
    }

    fn state(entries: &[JournalEntry]) -> JournalState {
        let mut state = JournalState::default();
        entries.iter().for_each(|entry| state.apply(entry));
        state
    }

    fn held(entries: &[JournalEntry]) -> Option<(u64, Option<u64>)> {
        let state = state(entries);
        let held = state.holdings.get(&VM)?;
        Some((held.before.0 >> 20, held.now.map(|now| now.0 >> 20)))
    }

    #[test]
    fn holdings_last_until_given_back() {
        let mut story = vec![order(1, 100, 80)];
        assert_eq!(held(&story), Some((100, None)));
        story.extend([end(1, None)]);
        assert_eq!(held(&story), Some((100, Some(80))));
        story.extend([order(2, 80, 60), end(2, Some("refused"))]);
        assert_eq!(held(&story), Some((100, None)), "whether it moved is not known");
        story.extend([order(3, 80, 90), end(3, None)]);
        assert_eq!(held(&story), Some((100, Some(90))));
        let given = [&story[..], &[order(4, 90, 100), end(4, None)]].concat();
        assert_eq!(held(&given), None);
        story.push(JournalEntry::Forget { at: AT, vm: VM });
        assert_eq!(held(&story), None);
    }

    #[test]
    fn a_rest_under_one_mib_counts_as_given_back() {
        let mut story = vec![order(1, 100, 80), end(1, None)];
        if let JournalEntry::Order(Begun { order, .. }) = &mut story[0] {
            order.action = Action::Balloon { from: Bytes((100 << 20) + 5), to: Bytes(80 << 20) };
        }
        story.extend([order(2, 80, 100), end(2, None)]);
        assert_eq!(held(&story), None);
    }

    #[test]
    fn what_another_program_took_is_not_memtraces() {
        assert_eq!(held(&[order(1, 50, 70), end(1, None)]), None);
    }

    #[test]
    fn ids_go_up_and_an_order_is_open_until_it_ends() {
        let state = state(&[order(1, 9, 8), order(2, 9, 8), end(1, None), end(77, None)]);
        assert_eq!(state.next_id, 3);
        assert_eq!(state.open.keys().copied().collect::<Vec<u64>>(), [2]);
    }
}
