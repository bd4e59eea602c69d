//! Signals that this kernel or missing privileges limit, with the reason.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use memtrace_core::signal::Quality;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    // Signals with the same reason share a line.
    let mut reasons: Vec<(&Quality, Vec<&str>)> = Vec::new();
    for status in subject.snapshot.signals.iter().filter(|status| !status.is_spared()) {
        let title = status.signal.title();
        match reasons.iter_mut().find(|(quality, _)| **quality == status.quality) {
            Some((_, titles)) => titles.push(title),
            None => reasons.push((&status.quality, vec![title])),
        }
    }
    let lines: Vec<_> = reasons
        .into_iter()
        .filter_map(|(quality, titles)| {
            let told = format!("{}: {}", quality.word(), quality.reason()?);
            Some(field::sentence(subject, &format!("{}: {told}", titles.join(", "))))
        })
        .flatten()
        .collect();
    if lines.is_empty() { field::sentence(subject, "none: all are exact") } else { lines }
}
