//! What travels through the ring buffer: rare events, and how often they may come.

/// Size of the ring buffer of rare events, in bytes.
pub const EVENTS_BYTES: u32 = 256 * 1024;

/// A stall of at least this long is reported as an event of its own.
pub const LONG_STALL_NS: u64 = 100_000_000;
/// Between two events that tell of the same pressure there is at least so much time, so
/// that a flood of reclaims is none of events: 4096 VMs that all reclaim at once make
/// 41,000 a second, of which the ring buffer holds a tenth of a second.
pub const PRESSURE_PAUSE_NS: u64 = 100_000_000;

/// A rare event, as it travels through the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub at_ns: u64,
    /// One of the `EVENT_*` constants.
    pub kind: u32,
    /// The process that it happened to.
    pub tgid: u32,
    /// Its slot, or [`crate::SLOT_OTHER`].
    pub slot: u32,
    /// The process that caused it, where there is one.
    pub causer_tgid: u32,
    /// A duration in nanoseconds, where there is one.
    pub duration_ns: u64,
    /// Name of the process, NUL-terminated.
    pub comm: [u8; 16],
}

/// A process exec'd as a VMM, and the kernel side gave it a slot.
pub const EVENT_APPEARED: u32 = 1;
/// A process with a slot is gone; the slot stays as it is until user space frees it.
pub const EVENT_EXITED: u32 = 2;
/// The OOM killer chose a victim.
pub const EVENT_OOM_KILL: u32 = 3;
/// A process took a KVM fault while it had no slot; the kernel side gave it one.
pub const EVENT_FOUND: u32 = 5;
/// A VM's thread waited at least [`LONG_STALL_NS`] for reclaim.
pub const EVENT_LONG_STALL: u32 = 4;
/// Somebody on the host reclaimed directly, and it has ended; the slot is that of who did.
pub const EVENT_DIRECT_RECLAIM: u32 = 6;
/// A memcg reclaim by or for a VM has ended.
pub const EVENT_MEMCG_RECLAIM: u32 = 7;
/// kswapd began to work after it had slept.
pub const EVENT_KSWAPD: u32 = 8;
