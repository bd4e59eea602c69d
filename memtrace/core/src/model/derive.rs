//! The way from two samples to a [`Snapshot`].

use crate::model::flows::Flows;
use crate::model::host::host;
use crate::model::missed;
use crate::model::pair::{Context, Pair};
use crate::model::rates::Interval;
use crate::model::snapshot::{SCHEMA_VERSION, Snapshot};
use crate::model::vm::vm;
use crate::sample::Sample;

/// Everything that `now` tells, with the rates since `previous`. Without a previous
/// sample all rates are absent. Never fails: what cannot be worked out is absent, with
/// its reason.
pub fn derive(previous: Option<&Sample>, now: &Sample) -> Snapshot {
    let context = Context::new(previous, now);
    let flows = Flows::new(&context);
    let pairs: Vec<Pair<'_>> = now.vms.iter().map(|vm| Pair::new(&context, vm)).collect();
    Snapshot {
        schema_version: SCHEMA_VERSION,
        wall: now.wall,
        interval: context.interval.ok().map(Interval::nanos),
        host: host(&context, &pairs),
        vms: pairs.iter().map(|pair| vm(pair, &flows)).collect(),
        flows: flows.views(),
        signals: missed::signals(now),
        notices: now.notices.clone(),
    }
}
