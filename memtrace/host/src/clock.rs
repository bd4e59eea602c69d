//! The clocks of samples, and when something is due.

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

/// `seconds` to twice that from now, so that not all are due in the same scan.
pub(crate) fn later(now: Nanos, pid: u32, seconds: u64) -> Nanos {
    let spread = u64::from(pid).checked_rem(seconds).unwrap_or(0);
    let wait = Nanos::SECOND.0.saturating_mul(seconds.saturating_add(spread));
    Nanos(now.0.saturating_add(wait))
}

/// A clock before its epoch counts as at it.
fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
