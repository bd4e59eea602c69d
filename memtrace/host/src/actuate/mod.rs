//! Carries out orders through libvirt, QMP or a cgroup. Knows no policy.

mod cgroup;
pub mod hook;
pub mod host;
mod in_flight;
