//! Who takes part, and how much of what they want. Data alone.

use crate::scenario::{Group, Memory, NOISY, Plan, Scenario, Work};

/// MiB that each guest has, and may think that it has for itself.
const GUEST_MIB: u32 = 1024;
/// What the guest that is to suffer has touched, and then leaves alone for the night.
pub const OWN: &str = "hold 640";
pub const OWN_MIB: u64 = 640;
pub const REST: &str = "idle";
/// What it works on by day: the same memory.
pub const WORK: &str = "resume";
/// What each of the others touches in its turn and gives back to its own kernel; the host
/// still has it.
pub const BATCH: &str = "hold 420";
pub const BATCH_MIB: u64 = 420;
pub const GIVE_UP: &str = "free";

pub const WEB: Plan = Plan { name: "web", cgroup: Some("web"), ..LINUX };
const LINUX: Plan =
    Plan { memory: Memory::Private, mib: GUEST_MIB, work: Work::Linux("idle"), ..NOISY };

const fn donor(name: &'static str) -> Plan {
    Plan { name, cgroup: Some(name), ..LINUX }
}

const fn group(name: &'static str) -> Group {
    Group { name, limits: &[] }
}

/// Three donors and the one that suffers, the last. Each has a cgroup of its own, without
/// limits: the host as a whole is short.
pub const SCENE: Scenario = Scenario {
    name: "relief",
    about: "four guests of 1 GiB on a host of 2 GiB",
    guests: &[donor("batch-1"), donor("batch-2"), donor("batch-3"), WEB],
    groups: &[group("batch-1"), group("batch-2"), group("batch-3"), group("web")],
    huge_pages: false,
    timed: false,
    ..crate::scenario::MAX
};
