//! OOM kills inside guests, from the totals of balloon statistics. Pure.

use std::collections::BTreeMap;

use super::rules::{Finding, RuleReading, named, watched};
use crate::model::snapshot::VmView;
use crate::reactor::Step;
use crate::sample::VmId;

/// The last total of each guest. Totals lose no kill, however rarely they are read.
#[derive(Debug, Default)]
pub struct Kills {
    /// Another process is another guest, whose total starts at 0.
    seen: BTreeMap<VmId, (u32, u64)>,
}

impl Kills {
    /// Guests with a kill since the last reading. Kills before the first reading are not
    /// reported, because their time is unknown.
    pub fn read(&mut self, step: &Step) -> Vec<RuleReading> {
        let before = std::mem::take(&mut self.seen);
        let read = |vm: &VmView| {
            let last = before.get(&vm.id).filter(|(pid, _)| *pid == vm.pid).map(|(_, last)| *last);
            let now = vm.guest_stats.value.and_then(|stats| stats.oom_kills);
            // A reading that is missing for a moment keeps the last total.
            self.seen.extend(now.or(last).map(|total| (vm.id, (vm.pid, total))));
            // A total that ran backwards is of a guest that rebooted.
            let grown = now.map(|now| last.map_or(0, |last| now.saturating_sub(last)));
            let found = grown.map(|count| (count > 0, Finding::GuestOomKills { count }));
            RuleReading { vm: Some(named(vm)), found }
        };
        watched(step).map(read).collect()
    }
}
