//! Measurements of memtrace, and the pages that are written of them: `bench` what it costs
//! (docs/performance.md, docs/policy.md), `relief` whether it helps (docs/relief.md),
//! `fidelity` whether the simulator is true (docs/simulator.md), `matrix` what its counters are
//! worth on each kernel (docs/attribution.md). `picture` draws the README's picture of the view.

pub mod bench;
pub mod bpftrace;
pub mod fidelity;
mod live;
pub mod matrix;
pub mod measured;
mod palette;
pub mod picture;
pub mod relief;
