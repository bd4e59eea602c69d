//! The detail pane: everything about the selected VM, in sections that stand below
//! each other, or in two columns where the screen is wide.

mod field;
mod flows;
mod guest;
mod history;
mod identity;
mod latency;
mod memory;
mod pressure;
mod signals;
mod subject;
mod threads;

use ratatui::text::{Line, Span};

use self::subject::Subject;
use super::line::styled;
use crate::emphasis::Emphasis;
use crate::tui::state::State;
use memtrace_core::text;

/// From this width on there are two columns.
const TWO_COLUMNS: usize = 120;
/// Columns between the two.
const GUTTER: usize = 2;

type Section = fn(&Subject<'_>) -> Vec<Line<'static>>;

/// Sections of the left column.
const LEFT: [(&str, Section); 4] = [
    ("Identity", identity::lines),
    ("Memory", memory::lines),
    ("Pressure", pressure::lines),
    ("Guest statistics", guest::lines),
];
/// Sections of the right column.
const RIGHT: [(&str, Section); 5] = [
    ("History", history::lines),
    ("Reclaim flows", flows::lines),
    ("Waits", latency::lines),
    ("Threads", threads::lines),
    ("Signals that are not exact", signals::lines),
];

pub(super) fn caption(state: &State) -> String {
    state.selected_vm().map(|vm| vm.name.clone()).unwrap_or_default()
}

pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let (Some(snapshot), Some(vm)) = (&state.snapshot, state.selected_vm()) else {
        return Vec::new();
    };
    if width < TWO_COLUMNS {
        let subject = Subject { state, snapshot, vm, width };
        let mut lines = column(&subject, &LEFT[..1]);
        lines.extend(column(&subject, &RIGHT[..2]));
        lines.extend(column(&subject, &LEFT[1..]));
        lines.extend(column(&subject, &RIGHT[2..]));
        return lines;
    }
    let subject = Subject { state, snapshot, vm, width: (width - GUTTER) / 2 };
    beside(column(&subject, &LEFT), column(&subject, &RIGHT), subject.width)
}

fn column(subject: &Subject<'_>, sections: &[(&str, Section)]) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (title, section) in sections {
        lines.push(Line::from(styled(*title, Emphasis::Strong, subject.state.color)));
        lines.extend(section(subject));
        lines.push(Line::default());
    }
    lines
}

/// Two columns as one: each line of the left is filled up to `width`.
fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    let count = left.len().max(right.len());
    let mut right = right.into_iter();
    let mut left = left.into_iter();
    (0..count)
        .map(|_| {
            let mut line = left.next().unwrap_or_default();
            let used: usize = line.spans.iter().map(|span| text::width(&span.content)).sum();
            line.push_span(Span::raw(" ".repeat(width.saturating_sub(used) + GUTTER)));
            line.spans.extend(right.next().unwrap_or_default().spans);
            line
        })
        .collect()
}
