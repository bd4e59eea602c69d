//! Wait times of the VM in the last minute: distributions, one bar per power of two.

use memtrace_ebpf::bucket_range_ns;
use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use crate::columns::marked;
use crate::emphasis::Emphasis;
use crate::tui::view::line::styled;
use memtrace_core::format;
use memtrace_core::model::waits::Wait;
use memtrace_core::model::{Measured, quantile};
use memtrace_core::text;
use memtrace_core::units::Nanos;

/// Columns of `  ≥ 123us  ` and of ` 12.3k`.
const AROUND: usize = 18;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let (vm, waits) = (subject.vm, &subject.state.waits);
    let reclaim = distribution(subject, "reclaim", &vm.reclaim_histogram, &waits.reclaim());
    let faults = &vm.async_fault_histogram;
    let faults = distribution(subject, "asynchronous faults", faults, &waits.async_fault());
    // Optional: not shown where the kernel doesn't support it.
    let swap_in = Some(&vm.swap_in_histogram).filter(|newest| !newest.quality.is_absent());
    let swap_in = swap_in.map(|newest| distribution(subject, "swap-in", newest, &waits.swap_in()));
    [reclaim, faults, swap_in.unwrap_or_default()].concat()
}

/// The quality is that of the newest interval.
fn distribution(
    subject: &Subject<'_>,
    title: &str,
    newest: &Measured<Vec<u64>>,
    wait: &Wait,
) -> Vec<Line<'static>> {
    if newest.quality.is_absent() {
        let reason = newest.quality.reason().unwrap_or_default();
        return field::sentence(subject, &format!("{title}: absent: {reason}"));
    }
    let span = format::duration(wait.span, 5);
    let bars = by_power_of_two(&wait.counts);
    if bars.is_empty() {
        return field::sentence(subject, &format!("{title}: none in the last {span}"));
    }
    let [p50, p99] =
        [0.5, 0.99].map(|share| marked(&quantile(&wait.counts, share), 6, format::duration));
    let total = bars.iter().map(|(_, count)| *count as f64).sum();
    let total = format::count(total, 5);
    let summary = format!("  {title}: {total} in the last {span}, p50 {p50}, p99 {p99}");
    let mut lines = vec![Line::from(summary)];
    if let Some(reason) = newest.quality.reason() {
        lines.extend(field::sentence(subject, &format!("approximate: {reason}")));
    }
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    lines.extend(bars.into_iter().map(|(from, count)| bar(subject, from, count, most)));
    lines
}

fn bar(subject: &Subject<'_>, from: u64, count: u64, most: u64) -> Line<'static> {
    let room = subject.width.saturating_sub(AROUND).clamp(1, 40);
    let share = count as f64 / most.max(1) as f64;
    let long = (share * room as f64).round() as usize;
    // A single long wait among thousands must be visible.
    let long = if count > 0 { long.max(1) } else { 0 };
    let from = format::duration(Nanos(from), 5);
    let shown = if count == 0 { String::new() } else { format::count(count as f64, 5) };
    Line::from(vec![
        styled(format!("  ≥ {from:>6} "), Emphasis::Dim, subject.state.color),
        styled(text::left(&"█".repeat(long), room), Emphasis::Plain, subject.state.color),
        styled(format!(" {shown:>5}"), Emphasis::Plain, subject.state.color),
    ])
}

/// The lower bound in nanoseconds and the count of each power of two, from the first
/// that counted something to the last.
fn by_power_of_two(counts: &[u64]) -> Vec<(u64, u64)> {
    let mut powers: Vec<(u64, u64)> = Vec::new();
    for (bucket, count) in counts.iter().enumerate() {
        let (from, _) = bucket_range_ns(bucket);
        let power = if from == 0 { 0 } else { 1 << from.ilog2() };
        if powers.is_empty() && *count == 0 {
            continue;
        }
        match powers.last_mut() {
            Some((last, sum)) if *last == power => *sum = sum.saturating_add(*count),
            _ => powers.push((power, *count)),
        }
    }
    while powers.last().is_some_and(|(_, count)| *count == 0) {
        powers.pop();
    }
    powers
}

#[cfg(test)]
mod tests {
    use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_of};

    use super::*;

    #[test]
    fn buckets_of_a_power_are_added_up() {
        let mut counts = vec![0; HISTOGRAM_BUCKETS];
        counts[bucket_of(1 << 20)] += 2;
        counts[bucket_of((1 << 20) + (1 << 19))] += 3;
        counts[bucket_of(1 << 22)] += 1;
        assert_eq!(by_power_of_two(&counts), [(1 << 20, 5), (1 << 21, 0), (1 << 22, 1)]);
    }

    #[test]
    fn nothing_has_no_bars() {
        assert!(by_power_of_two(&[]).is_empty());
        assert!(by_power_of_two(&[0; 200]).is_empty());
        assert_eq!(by_power_of_two(&[7]), [(0, 7)]);
    }

    #[test]
    fn more_buckets_than_there_are_do_no_harm() {
        assert_eq!(by_power_of_two(&[1; 500]).iter().map(|(_, count)| count).sum::<u64>(), 500);
    }
}
