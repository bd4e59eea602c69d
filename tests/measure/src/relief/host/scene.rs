//! Who takes part on this machine, and how much there is for them. Data alone.

use memtrace_lab::local::plan::{Devices, GuestPlan, Layout, Work};
use memtrace_lab_host::roles::{DONORS, GUEST_MIB, WEB};

/// Bytes a second that each guest may read from swap. A virtual machine's disk may well lie in
/// the page cache of its host, and then swap costs next to nothing.
pub const SWAP_SPEED: u64 = 16 << 20;

const fn guest(name: &'static str, uuid: &'static str) -> GuestPlan {
    GuestPlan { name, uuid, memory_mib: GUEST_MIB, work: Work::Idle, devices: Devices::NONE }
}

/// As on level 2: twice as much guest memory as there is to share.
pub const SCENE: Layout = Layout {
    guests: &[
        guest(DONORS[0], "6d656d74-7261-4365-8c65-6c0000000010"),
        guest(DONORS[1], "6d656d74-7261-4365-8c65-6c0000000011"),
        guest(DONORS[2], "6d656d74-7261-4365-8c65-6c0000000012"),
        guest(WEB, "6d656d74-7261-4365-8c65-6c0000000013"),
    ],
    limit_mib: 2048,
    swap_mib: 4608,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_is_overcommitted_twice_and_the_swap_file_holds_all() {
        let memory: u32 = SCENE.guests.iter().map(|guest| guest.memory_mib).sum();
        assert_eq!(memory, 2 * SCENE.limit_mib);
        assert!(memory <= SCENE.swap_mib, "an out-of-memory kill could hit a guest");
    }
}
