//! Who takes part on this machine, and how much of what they want. Data alone.

use crate::lab::plan::{GuestPlan, Layout, Work};
use crate::relief::verdict::WEB;

const GUEST_MIB: u32 = 1024;
/// What the guest that is to suffer has touched, and then leaves alone for the night.
pub const OWN: &str = "hold 640";
pub const OWN_MIB: f64 = 640.0;
pub const REST: &str = "idle";
/// What it works on by day: the same memory.
pub const WORK: &str = "resume";
/// What each of the others touches in its turn and gives back to its own kernel; the host
/// still has it.
pub const BATCH: &str = "hold 420";
pub const BATCH_MIB: f64 = 420.0;
pub const GIVE_UP: &str = "free";
pub const DONORS: [&str; 3] = ["batch-1", "batch-2", "batch-3"];
/// Bytes a second that each guest may read from swap. A virtual machine's disk may well lie in
/// the page cache of its host, and then swap costs next to nothing.
pub const SWAP_SPEED: u64 = 16 << 20;

const fn guest(name: &'static str, uuid: &'static str) -> GuestPlan {
    GuestPlan { name, uuid, memory_mib: GUEST_MIB, work: Work::Idle }
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
