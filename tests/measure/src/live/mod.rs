//! A scenario of the simulator, run with real guests on this machine: each guest of the lab
//! follows the load that the file describes, in a memory cgroup of the host's size.

pub(crate) mod actor;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod stage;

pub(crate) use outcome::{LiveRun, OfGuest};
pub(crate) use stage::{Rule, run};
