//! Measurements of memtrace, and the pages that are written of them: `bench` what it costs
//! (docs/performance.md, docs/policy.md), `relief` whether it helps (docs/relief.md), `matrix`
//! what its counters are worth on each kernel (docs/attribution.md).

pub mod bench;
pub mod bpftrace;
pub mod matrix;
pub mod measured;
pub mod relief;
