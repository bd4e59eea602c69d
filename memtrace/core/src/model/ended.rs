//! VMs that ended in the interval. Their rows ended with them, so what they did since the sample
//! before is known only as something that sums and flows lack.

use std::collections::HashSet;

use crate::format::several;
use crate::sample::{Sample, VmSample};
use crate::signal::Quality;

/// What is left of a number that is made of all parties' rows.
pub(super) fn doubt(previous: Option<&Sample>, now: &Sample) -> Quality {
    let process = |vm: &VmSample| (vm.pid, vm.start);
    let there: HashSet<_> = now.vms.iter().map(process).collect();
    let before = previous.into_iter().flat_map(|previous| &previous.vms);
    // What no row counted is in that of the other processes.
    let counted = before.filter(|vm| vm.counters.is_some());
    let ended: Vec<&VmSample> = counted.filter(|vm| !there.contains(&process(vm))).collect();
    let who = match ended[..] {
        [] => return Quality::Exact,
        [vm] => vm.name.clone(),
        _ => several(ended.len() as u64, "VM"),
    };
    Quality::approximate(format!("{who} ended in the interval: what it did then is not counted"))
}
