//! An input line with its error.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::line::{put, styled};
use crate::emphasis::Emphasis;
use crate::tui::geometry::Areas;
use crate::tui::state::{Prompt, State};
use crate::tui::theme;
use memtrace_core::text;

/// The footer's first line, or the last line of a screen without a footer.
pub(super) fn place(areas: &Areas) -> Rect {
    if areas.footer.height > 0 {
        return Rect { height: 1, ..areas.footer };
    }
    let y = areas.body.y + areas.body.height.saturating_sub(1);
    Rect { y, height: areas.body.height.min(1), ..areas.body }
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, label: &str, prompt: &Prompt, state: &State) {
    let width = usize::from(area.width);
    let error = prompt.error.as_deref().map(|error| format!("  error: {}", text::clean(error)));
    // The end of the input must be visible; the error is cut.
    let room = width.saturating_sub(text::width(label) + 1);
    let typed = end(&prompt.text, room);
    let mut line = Line::from(vec![
        styled(label, Emphasis::Strong, state.color),
        Span::raw(typed),
        Span::styled(" ", theme::selection()),
    ]);
    if let Some(error) = error {
        let room = width.saturating_sub(line.width());
        line.push_span(styled(text::truncate(&error, room), Emphasis::Hot, state.color));
    }
    line.push_span(Span::raw(" ".repeat(width.saturating_sub(line.width()))));
    put(buffer, area, 0, &line);
}

/// The last `columns` columns of `typed`.
fn end(typed: &str, columns: usize) -> String {
    let clean = text::clean(typed);
    let mut start = 0;
    while text::width(&clean[start..]) > columns {
        start += clean[start..].chars().next().map_or(1, char::len_utf8);
    }
    clean[start..].to_owned()
}
