//! A count of what the kernel side holds, for tests of what must not leak.

use super::Slots;

/// Where the slots and their processes are in a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub tracked: usize,
    pub unclaimed: usize,
    pub quarantined: usize,
    /// Entries of the table of processes.
    pub processes: usize,
    pub address_spaces: usize,
    pub cgroups: usize,
    pub async_faults: usize,
}

impl Slots {
    /// Where everything is right now.
    pub fn census(&self) -> Census {
        Census {
            tracked: self.tracked.len(),
            unclaimed: self.unclaimed.len(),
            quarantined: self.quarantine.len(),
            processes: self.processes.count(),
            address_spaces: self.rows.address_spaces.keys().count(),
            cgroups: self.rows.cgroups.keys().count(),
            async_faults: self.rows.async_faults.keys().count(),
        }
    }
}
