//! Kills inside of guests, which balloon statistics tell as totals. Pure.

use std::collections::BTreeMap;

use super::rules::{Finding, Reading, named};
use crate::model::Snapshot;
use crate::model::snapshot::VmView;
use crate::sample::VmId;

/// The last total of each guest. By totals no kill is lost, however few snapshots are seen.
#[derive(Debug, Default)]
pub struct Kills {
    /// Another process is another guest, whose total begins anew.
    seen: BTreeMap<VmId, (u32, u64)>,
}

impl Kills {
    /// Which guests have killed since they were last read. What was before the first reading
    /// is not told: nobody knows when it was.
    pub fn read(&mut self, snapshot: &Snapshot) -> Vec<Reading> {
        let before = std::mem::take(&mut self.seen);
        let read = |vm: &VmView| {
            let last = before.get(&vm.id).filter(|(pid, _)| *pid == vm.pid).map(|(_, last)| *last);
            let now = vm.guest_stats.value.and_then(|stats| stats.oom_kills);
            // An answer that can't be had for a moment is no new beginning.
            self.seen.extend(now.or(last).map(|total| (vm.id, (vm.pid, total))));
            // One that ran backwards is of a guest that booted anew.
            let grown = now.map(|now| last.map_or(0, |last| now.saturating_sub(last)));
            let found = grown.map(|count| (count > 0, Finding::GuestOomKills { count }));
            Reading { vm: Some(named(vm)), found }
        };
        snapshot.vms.iter().map(read).collect()
    }
}
