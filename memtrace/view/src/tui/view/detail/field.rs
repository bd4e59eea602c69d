//! The line of most sections: label, value and quality.

use ratatui::text::{Line, Span};

use super::subject::Subject;
use crate::columns::marked;
use crate::emphasis::Emphasis;
use crate::tui::view::line::styled;
use memtrace_core::model::Measured;
use memtrace_core::signal::Quality;
use memtrace_core::text;

/// Width of the label on a wide screen.
const LABEL: usize = 18;
/// Width of the label on a narrow screen.
const NARROW_LABEL: usize = 9;
/// A screen narrower than this is narrow.
const NARROW: usize = 40;
/// Columns of a value that is a number.
const VALUE: usize = 12;

/// A number with its mark, and the reason if it isn't exact.
pub(super) fn number<T: Copy>(
    subject: &Subject<'_>,
    label: &str,
    measured: &Measured<T>,
    show: impl Fn(T, usize) -> String,
) -> Vec<Line<'static>> {
    value(subject, label, &marked(measured, 6, show), &measured.quality)
}

/// A value, and the reason if it isn't exact.
pub(super) fn value(
    subject: &Subject<'_>,
    label: &str,
    shown: &str,
    quality: &Quality,
) -> Vec<Line<'static>> {
    let color = subject.state.color;
    let emphasis = if quality.is_absent() { Emphasis::Dim } else { Emphasis::Plain };
    let mut first = vec![
        styled(format!("  {}", text::left(label, labels(subject))), Emphasis::Plain, color),
        styled(text::left(shown, VALUE.max(text::width(shown))), emphasis, color),
    ];
    let Some(reason) = quality.reason() else {
        return vec![Line::from(first)];
    };
    let indent = 2 + labels(subject) + VALUE;
    let reason = format!("{}: {}", quality.word(), text::clean(reason));
    let mut wrapped = text::wrap(&reason, subject.width.saturating_sub(indent).max(16)).into_iter();
    first.push(styled(wrapped.next().unwrap_or_default(), Emphasis::Dim, color));
    let mut lines = vec![Line::from(first)];
    lines.extend(wrapped.map(|more| {
        Line::from(vec![Span::raw(" ".repeat(indent)), styled(more, Emphasis::Dim, color)])
    }));
    lines
}

/// A word or a path, cut to the width.
pub(super) fn word(subject: &Subject<'_>, label: &str, shown: &str) -> Line<'static> {
    let room = subject.width.saturating_sub(2 + labels(subject));
    let shown = text::truncate(&text::clean(shown), room).into_owned();
    Line::from(format!("  {}{shown}", text::left(label, labels(subject))))
}

fn labels(subject: &Subject<'_>) -> usize {
    if subject.width < NARROW { NARROW_LABEL } else { LABEL }
}

/// A sentence instead of values, wrapped.
pub(super) fn sentence(subject: &Subject<'_>, sentence: &str) -> Vec<Line<'static>> {
    let color = subject.state.color;
    text::wrap(&text::clean(sentence), subject.width.saturating_sub(2))
        .into_iter()
        .map(|line| Line::from(styled(format!("  {line}"), Emphasis::Dim, color)))
        .collect()
}
