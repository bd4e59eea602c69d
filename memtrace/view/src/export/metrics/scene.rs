//! What the metrics are read from, and which VMs have metrics.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::read::short;
use super::table::{Point, Value};
use memtrace_core::alert::Alert;
use memtrace_core::model::snapshot::{FlowView, VmView};
use memtrace_core::model::waited::VmWaits;
use memtrace_core::model::{Measured, Snapshot};
use memtrace_core::reactor::Decided;
use memtrace_core::sample::Party;
use memtrace_core::units::{Bytes, Pages, WallNanos};

/// Maximum number of VMs, with about 100 series each; the eBPF map has as many slots.
pub const MOST_VMS: usize = 4096;

const SINGLE_LOOK: &str = "a single look has nothing to count on from";

/// The input of the metrics, and the time of the request.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) decided: Decided,
    pub(super) page_size: Bytes,
    pub(super) now: WallNanos,
    pub(super) alerts: Vec<Alert>,
    /// Indices into the snapshot's list.
    shown: Vec<usize>,
}

impl Scene {
    /// `page_size`: of the base pages that the counters count.
    pub fn new(
        snapshot: Arc<Snapshot>,
        decided: Decided,
        page_size: Bytes,
        now: WallNanos,
    ) -> Self {
        let shown = shown(&snapshot.vms);
        Self { snapshot, decided, page_size, now, alerts: Vec::new(), shown }
    }

    /// With the alerts that are firing.
    #[must_use]
    pub fn alerted(self, alerts: Vec<Alert>) -> Self {
        Self { alerts, ..self }
    }

    /// Without what counts since memtrace started: of one that looks once and ends, such a counter
    /// is as large each time, and its rate would be 0.
    #[must_use]
    pub fn of_single_look(self) -> Self {
        let mut snapshot = Arc::unwrap_or_clone(self.snapshot);
        snapshot.flows = Measured::absent(SINGLE_LOOK);
        snapshot.host.losses = Measured::absent(SINGLE_LOOK);
        snapshot.host.totals = Measured::absent(SINGLE_LOOK);
        for vm in &mut snapshot.vms {
            vm.totals = Measured::absent(SINGLE_LOOK);
            vm.waits = VmWaits::default();
        }
        Self { snapshot: Arc::new(snapshot), ..self }
    }

    pub(super) fn vms(&self) -> impl Iterator<Item = &VmView> {
        self.shown.iter().filter_map(|index| self.snapshot.vms.get(*index))
    }

    /// What was taken from a VM, by each party that took it.
    pub(super) fn taken(&self, vm: &VmView) -> Vec<Point<'_>> {
        let flows = self.snapshot.flows.value.iter().flatten();
        let from_it = flows.filter(|flow| flow.victim == Party::Vm(vm.id));
        let point = |flow: &FlowView| Point {
            labels: self.party(flow.causer).into(),
            value: Value::Count(Pages(flow.total_pages).bytes(self.page_size).0),
        };
        from_it.map(point).collect()
    }

    /// The name and the id of a party. A VM that has ended has its id alone.
    fn party(&self, party: Party) -> [Cow<'_, str>; 2] {
        match party {
            Party::Kswapd => ["kswapd", ""].map(Cow::Borrowed),
            Party::Other => ["other", ""].map(Cow::Borrowed),
            Party::Vm(id) => {
                let named = self.vms().find(|vm| vm.id == id);
                let name = named.map_or_else(String::new, |vm| short(&vm.name).into_owned());
                [name, id.to_string()].map(Cow::Owned)
            }
        }
    }

    /// The number of VMs left out.
    pub(super) fn omitted(&self) -> usize {
        self.snapshot.vms.len().saturating_sub(self.shown.len())
    }
}

/// The first VM of each identity: duplicate series would fail the whole scrape.
pub(super) fn shown(vms: &[VmView]) -> Vec<usize> {
    let mut known = HashSet::new();
    let all = vms.iter().enumerate().filter(|(_, vm)| known.insert(vm.id));
    all.map(|(index, _)| index).take(MOST_VMS).collect()
}
