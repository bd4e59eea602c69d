//! The last minutes of the VM as sparklines.

use ratatui::text::Line;

use super::subject::Subject;
use crate::emphasis::Emphasis;
use crate::tui::view::line::styled;
use memtrace_core::format::{self, UNKNOWN};
use memtrace_core::model::history::Metric;
use memtrace_core::text;
use memtrace_core::units::{ByteRate, Percent, Rate};

const LABEL: usize = 13;
/// Columns of `  now 12.3k  max 12.3k`.
const NUMBERS: usize = 22;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Placeholder for unknown values.
const GAP: char = '·';

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let metrics = [
        ("stall", Metric::Stalled),
        ("caused", Metric::Caused),
        ("taken/s", Metric::Taken),
        ("faults/s", Metric::Faults),
        ("swap-in/s", Metric::SwapIn),
        ("swap-out/s", Metric::SwapOut),
    ];
    metrics.into_iter().map(|(label, metric)| line(subject, label, metric)).collect()
}

fn line(subject: &Subject<'_>, label: &str, metric: Metric) -> Line<'static> {
    let color = subject.state.color;
    let room = subject.width.saturating_sub(2 + LABEL + NUMBERS).max(1);
    let points = subject.state.history.points(subject.vm.id, metric);
    let seen = &points[points.len().saturating_sub(room)..];
    let most = seen.iter().flatten().copied().fold(0.0, f64::max);
    let now = show(metric, points.last().copied().flatten());
    let most_shown = show(metric, seen.iter().flatten().next().map(|_| most));
    Line::from(vec![
        styled(format!("  {}", text::left(label, LABEL)), Emphasis::Plain, color),
        styled(text::right(&sparkline(seen, most), room), Emphasis::Plain, color),
        styled(format!("  now {now:>5}  max {most_shown:>5}"), Emphasis::Plain, color),
    ])
}

/// A block for each point; the highest stands for `most`.
fn sparkline(points: &[Option<f64>], most: f64) -> String {
    let block = |value: f64| {
        let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        // Values above 0 are always visible.
        let steps = BLOCKS.len() - 1;
        let step = (share * steps as f64).round() as usize;
        let step = if share > 0.0 { step.max(1) } else { step };
        BLOCKS.get(step).copied().unwrap_or(GAP)
    };
    points.iter().map(|point| point.map_or(GAP, block)).collect()
}

fn show(metric: Metric, value: Option<f64>) -> String {
    let Some(value) = value else { return UNKNOWN.to_owned() };
    match metric {
        Metric::Stalled | Metric::Caused => format::percent(Percent(value), 5),
        Metric::SwapIn | Metric::SwapOut | Metric::Rss | Metric::Swap => {
            format::byte_rate(ByteRate(value), 5)
        }
        Metric::Faults | Metric::MajorFaults | Metric::Taken => format::rate(Rate(value), 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_little_and_unknown_look_different() {
        let points = [Some(0.0), Some(0.1), Some(50.0), Some(100.0), None];
        assert_eq!(sparkline(&points, 100.0), "▁▂▅█·");
        assert_eq!(sparkline(&[Some(0.0), None], 0.0), "▁·");
        assert_eq!(sparkline(&[Some(f64::NAN)], 1.0), "▁");
    }
}
