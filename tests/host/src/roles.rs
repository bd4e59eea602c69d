//! The roles of the guests in the relief measurement, the same on a host of its own and in a cgroup
//! of this machine. Data only.

/// What memtrace goes by.
pub const CONFIGURATION: &str = include_str!("memtrace.toml");
/// MiB that each guest has, and may think that it has for itself.
pub const GUEST_MIB: u32 = 1024;
/// The guest that is to suffer.
pub const WEB: &str = "web";
/// What it has touched, and then leaves alone for the night.
pub const OWN: &str = "hold 640";
pub const OWN_MIB: f64 = 640.0;
pub const REST: &str = "idle";
/// What it works on by day: the same memory.
pub const WORK: &str = "resume";
pub const DONORS: [&str; 3] = ["batch-1", "batch-2", "batch-3"];
/// Memory that each donor touches in its turn and then frees in the guest; the host still holds it.
pub const BATCH: &str = "hold 420";
pub const BATCH_MIB: f64 = 420.0;
pub const GIVE_UP: &str = "free";
