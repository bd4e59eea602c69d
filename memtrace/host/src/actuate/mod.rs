//! Carrying orders out: through libvirt, QMP or a cgroup. Must not know why something is to
//! be done.

mod cgroup;
pub mod hook;
pub mod host;
mod in_flight;
