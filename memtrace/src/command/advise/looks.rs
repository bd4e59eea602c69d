//! How far apart looks at a recording are, and times told by them. Pure.

use memtrace_core::format;
use memtrace_core::units::Nanos;

/// Interval of evaluated samples: shorter peaks don't matter for sizes, and a month with many VMs
/// would take hours.
pub(super) const APART: Nanos = Nanos(10 * Nanos::SECOND.0);

/// A time that was recorded, or known. What is shorter than the distance of two looks isn't none.
pub(super) fn time(seconds: f64) -> String {
    if seconds < APART.seconds() {
        return format!("less than {}", format::span(APART));
    }
    format::seconds(seconds)
}
