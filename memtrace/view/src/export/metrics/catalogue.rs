//! All metrics. The encoders and docs/metrics.md are made from them.

use super::table::Metric;
use super::{counted, host, own, policy, quality, vm};

/// In output order.
pub fn all() -> Vec<Metric> {
    let tables = [own::metrics(), host::metrics(), policy::metrics(), vm::metrics()];
    tables.into_iter().flatten().chain(quality::metrics()).chain(counted::metrics()).collect()
}
