//! The clocks of samples.

use rustix::time::{ClockId, clock_gettime};

use memtrace_core::units::{Nanos, WallNanos};

/// CLOCK_MONOTONIC: time since boot without suspend.
pub fn monotonic() -> Nanos {
    Nanos(nanos(ClockId::Monotonic))
}

/// The time of day.
pub fn wall() -> WallNanos {
    WallNanos(nanos(ClockId::Realtime))
}

/// A clock before its epoch counts as at it.
fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
