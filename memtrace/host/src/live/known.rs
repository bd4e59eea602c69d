//! What is kept of a VM between samples.

use super::cgroups::{Company, Membership};
use super::rereading::LastReading;
use super::shared::SharedMemory;
use super::swap_base::SwapBase;
use crate::hostfs::Keeper;
use crate::probe::Belongings;
use crate::vmm::naming::Naming;

/// The state of a VM between samples.
#[derive(Debug, Default)]
pub(super) struct KnownVm {
    pub(super) start: u64,
    pub(super) name: String,
    pub(super) membership: Membership,
    pub(super) shared_memory: SharedMemory,
    /// The belongings passed to the eBPF programs. `None`: none yet.
    pub(super) told: Option<Belongings>,
    /// Its files that are read each time.
    pub(super) files: Keeper,
    pub(super) swap_base: SwapBase,
    pub(super) company: Company,
    /// The values of its last reading.
    pub(super) kept: LastReading,
    pub(super) naming: Naming,
    /// CPU time that it was last seen to have taken, in clock ticks.
    pub(super) cpu_ticks: u64,
    /// Nothing happened to it up to the last sample.
    pub(super) quiet: bool,
}
