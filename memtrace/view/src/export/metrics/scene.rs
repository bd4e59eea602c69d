//! What the metrics are read from, and which VMs have metrics.

use std::collections::HashSet;
use std::sync::Arc;

use memtrace_core::alert::Alert;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::reactor::Decided;
use memtrace_core::units::{Bytes, WallNanos};

/// Maximum number of VMs, with about 100 series each; the eBPF map has as many slots.
pub const MOST_VMS: usize = 4096;

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

    pub(super) fn vms(&self) -> impl Iterator<Item = &VmView> {
        self.shown.iter().filter_map(|index| self.snapshot.vms.get(*index))
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
