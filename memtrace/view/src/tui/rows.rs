//! The VMs of the table: those of the snapshot, and for a few seconds those that are gone. Time is
//! that of the snapshots.

use std::collections::BTreeMap;

use crate::columns::Sort;
use memtrace_core::filter::Filter;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::sample::VmId;
use memtrace_core::units::{Nanos, WallNanos};

/// How long a new or gone VM is marked. A gone one is shown in at least one snapshot.
const MARKED_FOR: Nanos = Nanos(5 * Nanos::SECOND.0);
/// Maximum number of gone VMs shown; the newest when there are more.
const MOST_GONE: usize = 64;

/// Whether a VM is new or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Steady,
    New,
    Gone,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub vm: &'a VmView,
    pub life: Life,
}

/// New and gone VMs.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    came: BTreeMap<VmId, WallNanos>,
    gone: Vec<(WallNanos, VmView)>,
}

impl Lives {
    /// Compares a snapshot with the previous one. VMs of the very first one are not new.
    pub fn observe(&mut self, before: Option<&Snapshot>, now: &Snapshot) {
        let recent = |since: WallNanos| now.wall.0.saturating_sub(since.0) < MARKED_FOR.0;
        self.came.retain(|_, since| recent(*since));
        self.gone.retain(|(since, _)| recent(*since));
        let Some(before) = before else { return };

        let processes = |snapshot: &Snapshot| -> BTreeMap<VmId, u32> {
            snapshot.vms.iter().map(|vm| (vm.id, vm.pid)).collect()
        };
        let (earlier, later) = (processes(before), processes(now));
        // The same VM in another process was restarted.
        let came = later.iter().filter(|(id, pid)| earlier.get(id) != Some(pid));
        self.came.extend(came.map(|(id, _)| (*id, now.wall)));
        let went = before.vms.iter().filter(|vm| !later.contains_key(&vm.id));
        self.gone.extend(went.map(|vm| (now.wall, vm.clone())));
        self.gone.retain(|(_, vm)| !later.contains_key(&vm.id));
        let surplus = self.gone.len().saturating_sub(MOST_GONE);
        self.gone.drain(..surplus);
    }

    /// The rows in their order.
    pub fn rows<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        sort: Sort,
        filter: Option<&Filter>,
    ) -> Vec<Row<'a>> {
        let gone = self.gone.iter().map(|(_, vm)| vm);
        let wanted = |vm: &&VmView| filter.is_none_or(|filter| filter.matches(vm));
        let mut vms: Vec<_> = snapshot.vms.iter().chain(gone).filter(wanted).collect();
        sort.apply(&mut vms);
        vms.into_iter().map(|vm| Row { vm, life: self.life(vm) }).collect()
    }

    fn life(&self, vm: &VmView) -> Life {
        if self.gone.iter().any(|(_, gone)| gone.id == vm.id) {
            Life::Gone
        } else if self.came.contains_key(&vm.id) {
            Life::New
        } else {
            Life::Steady
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ColumnId;
    use memtrace_core::fixture;

    fn at(second: u64, vms: Vec<VmView>) -> Snapshot {
        let wall = WallNanos(fixture::WALL.0 + second * Nanos::SECOND.0);
        Snapshot { wall, ..fixture::snapshot(vms) }
    }

    fn shown(lives: &Lives, snapshot: &Snapshot) -> Vec<(String, Life)> {
        let rows = lives.rows(snapshot, Sort::by(ColumnId::Name), None);
        rows.into_iter().map(|row| (row.vm.name.clone(), row.life)).collect()
    }

    #[test]
    fn no_vm_is_new_at_first() {
        let mut lives = Lives::default();
        let first = at(0, vec![fixture::vm("a", 1)]);
        lives.observe(None, &first);
        assert_eq!(shown(&lives, &first), [("a".to_owned(), Life::Steady)]);
    }

    #[test]
    fn a_new_vm_is_marked_for_a_few_seconds() {
        let mut lives = Lives::default();
        let one = vec![fixture::vm("a", 1)];
        let two = vec![fixture::vm("a", 1), fixture::vm("b", 2)];
        lives.observe(Some(&at(0, one)), &at(1, two.clone()));
        assert_eq!(shown(&lives, &at(1, two.clone()))[1], ("b".to_owned(), Life::New));
        lives.observe(Some(&at(1, two.clone())), &at(6, two.clone()));
        assert_eq!(shown(&lives, &at(6, two))[1], ("b".to_owned(), Life::Steady));
    }

    #[test]
    fn a_vm_that_is_gone_stays_for_a_few_seconds() {
        let mut lives = Lives::default();
        lives.observe(Some(&at(0, vec![fixture::vm("a", 1)])), &at(1, vec![]));
        assert_eq!(shown(&lives, &at(1, vec![])), [("a".to_owned(), Life::Gone)]);
        lives.observe(Some(&at(1, vec![])), &at(5, vec![]));
        assert_eq!(shown(&lives, &at(5, vec![])).len(), 1);
        lives.observe(Some(&at(5, vec![])), &at(6, vec![]));
        assert!(shown(&lives, &at(6, vec![])).is_empty());
    }

    #[test]
    fn a_vm_that_comes_back_is_new_and_no_longer_gone() {
        let mut lives = Lives::default();
        let vm = || vec![fixture::vm("a", 1)];
        lives.observe(Some(&at(0, vm())), &at(1, vec![]));
        lives.observe(Some(&at(1, vec![])), &at(2, vm()));
        assert_eq!(shown(&lives, &at(2, vm())), [("a".to_owned(), Life::New)]);
    }

    #[test]
    fn a_restart_in_one_interval_is_seen_by_its_process() {
        let mut lives = Lives::default();
        let before = fixture::vm("a", 1);
        let after = VmView { pid: 2, ..before.clone() };
        lives.observe(Some(&at(0, vec![before])), &at(1, vec![after.clone()]));
        assert_eq!(shown(&lives, &at(1, vec![after])), [("a".to_owned(), Life::New)]);
    }
}
