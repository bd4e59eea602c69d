//! A scrollable text under a caption.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::line::{put, styled};
use crate::emphasis::Emphasis;
use crate::tui::theme;
use memtrace_core::text;

/// Draws `lines` from the line `scroll` on, limited to the last full page.
pub(super) fn draw(
    buffer: &mut Buffer,
    area: Rect,
    caption: &str,
    lines: &[Line<'static>],
    scroll: usize,
) {
    let limit = limit(lines, area);
    let scroll = scroll.min(limit);
    put(buffer, area, 0, &head(caption, scroll, limit, usize::from(area.width)));
    for (y, line) in lines.iter().skip(scroll).take(room(area)).enumerate() {
        put(buffer, area, y + 1, line);
    }
}

/// The maximum scroll position.
pub(super) fn limit(lines: &[Line<'static>], area: Rect) -> usize {
    lines.len().saturating_sub(room(area))
}

fn room(area: Rect) -> usize {
    usize::from(area.height).saturating_sub(1)
}

fn head(caption: &str, scroll: usize, limit: usize, width: usize) -> Line<'static> {
    let place = match (scroll, limit) {
        (_, 0) => String::new(),
        (0, _) => " ↓ more".to_owned(),
        (scroll, limit) if scroll == limit => " ↑ more".to_owned(),
        _ => " ↑↓ more".to_owned(),
    };
    let room = width.saturating_sub(text::width(&place));
    let caption = text::left(&format!(" {}", text::clean(caption)), room);
    Line::from(Span::styled(format!("{caption}{place}"), theme::head()))
}

/// A wrapped text with a mark before its first line.
pub(super) fn wrapped(
    mark: &str,
    said: &str,
    emphasis: Emphasis,
    width: usize,
    color: bool,
) -> Vec<Line<'static>> {
    let indent = text::width(mark);
    // A narrow screen has no room for indents.
    let indent = if width < indent * 3 { 0 } else { indent };
    let mut marks = std::iter::once(mark.to_owned()).chain(std::iter::repeat(" ".repeat(indent)));
    text::wrap(said, width.saturating_sub(indent).max(1))
        .into_iter()
        .map(|words| {
            let mark = marks.next().unwrap_or_default();
            Line::from(styled(format!("{mark}{words}"), emphasis, color))
        })
        .collect()
}
