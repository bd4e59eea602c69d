//! Guest statistics and their age.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use memtrace_core::format::{self, UNKNOWN};
use memtrace_core::signal::Quality;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let vm = subject.vm;
    let Some(stats) = vm.guest_stats.value else {
        let reason = vm.guest_stats.quality.reason().unwrap_or_default();
        return field::sentence(subject, &format!("absent: {reason}"));
    };
    let age = vm.guest_age.value.map_or(UNKNOWN.to_owned(), format::age);
    let mut lines = field::value(subject, "age", &age, &stale(subject));
    let amounts = [
        ("total", stats.total),
        ("free", stats.free),
        ("available", stats.available),
        ("disk caches", stats.disk_caches),
        ("swap in", stats.swap_in),
        ("swap out", stats.swap_out),
    ];
    for (label, amount) in amounts {
        let shown = amount.map_or(UNKNOWN.to_owned(), |amount| format::bytes(amount, 5));
        lines.extend(field::value(subject, label, &shown, &told(amount.is_some())));
    }
    let counts = [
        ("major faults", stats.major_faults),
        ("minor faults", stats.minor_faults),
        ("OOM kills", stats.oom_kills),
    ];
    for (label, count) in counts {
        let shown = count.map_or(UNKNOWN.to_owned(), |count| format::count(count as f64, 5));
        lines.extend(field::value(subject, label, &shown, &told(count.is_some())));
    }
    lines
}

/// The quality of the statistics as a whole, for example that they are stale.
fn stale(subject: &Subject<'_>) -> Quality {
    let vm = subject.vm;
    vm.guest_age.quality.clone().and(vm.guest_stats.quality.clone()).and(
        // Statistics may be current while values derived from them are not.
        vm.guest_available.quality.clone(),
    )
}

fn told(told: bool) -> Quality {
    if told { Quality::Exact } else { Quality::absent("not reported by the guest") }
}
