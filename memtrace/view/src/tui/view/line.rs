//! Lines made of parts, and lines in a buffer: helpers of all widgets.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::emphasis::{Emphasis, Part};
use crate::tui::theme;
use memtrace_core::text;

/// Columns between two parts.
const GAP: usize = 2;

/// As many of `parts` as fit into `width`; each is shown in full, only the first is cut.
pub(super) fn fit(parts: &[Part], width: usize, color: bool) -> Line<'static> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for part in parts {
        let style = theme::style(part.emphasis, color);
        if spans.is_empty() {
            let text = text::truncate(&part.text, width).into_owned();
            used = text::width(&text);
            spans.push(Span::styled(text, style));
            continue;
        }
        let wide = text::width(&part.text) + GAP;
        if used + wide > width {
            continue;
        }
        used += wide;
        spans.push(Span::raw(" ".repeat(GAP)));
        spans.push(Span::styled(part.text.clone(), style));
    }
    Line::from(spans)
}

/// Puts `line` into the row `y` of `area`, if it has one.
pub(super) fn put(buffer: &mut Buffer, area: Rect, y: usize, line: &Line<'_>) {
    let Some(y) = u16::try_from(y).ok().filter(|y| *y < area.height) else { return };
    if area.width > 0 {
        buffer.set_line(area.x, area.y + y, line, area.width);
    }
}

/// One piece of text with an emphasis.
pub(super) fn styled(text: impl Into<String>, emphasis: Emphasis, color: bool) -> Span<'static> {
    Span::styled(text.into(), theme::style(emphasis, color))
}

/// A bar of `width` columns of which `share` (0 to 1) is full: `[||||    ]`.
pub(super) fn bar(share: f64, width: usize) -> String {
    let room = width.saturating_sub(2);
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let full = (share * room as f64).round() as usize;
    format!("[{}{}]", "|".repeat(full), " ".repeat(room.saturating_sub(full)))
}
