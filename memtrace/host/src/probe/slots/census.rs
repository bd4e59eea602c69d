//! Counts of slots and map entries, for tests against leaks.

use super::Slots;

/// Numbers of slots by state, and of map entries.
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
    /// The current numbers.
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
