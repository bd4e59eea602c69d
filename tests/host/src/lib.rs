//! What the lab shares with the PID 1 of its hosts (`src/bin/memtrace-lab-host`): which
//! scenarios there are, who takes part where relief is measured, and in what form it is told.

pub mod course;
pub mod decisions;
pub mod roles;
pub mod scenario;
pub mod series;
pub mod swap_header;
pub mod wait;
