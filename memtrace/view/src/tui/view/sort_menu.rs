//! The menu of columns to sort by.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::line::put;
use crate::columns;
use crate::tui::geometry;
use crate::tui::state::State;
use crate::tui::theme;
use memtrace_core::text;

/// Columns of the title within the menu.
const TITLE: usize = 10;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, state: &State, index: usize) {
    let columns = columns::all();
    let wanted = u16::try_from(columns.len() + 1).unwrap_or(u16::MAX);
    let menu = Rect { height: area.height.min(wanted), ..area };
    Clear.render(menu, buffer);
    let width = usize::from(menu.width);
    let caption = text::left("sort by (Enter: choose, r: reverse, Esc: cancel)", width);
    put(buffer, menu, 0, &Line::from(Span::styled(caption, theme::head())));
    let page = geometry::table_rows(menu);
    let offset = geometry::keep_seen(0, index, columns.len(), page);
    for (y, column) in columns.iter().skip(offset).take(page).enumerate() {
        let under_cursor = offset + y == index;
        let arrow = match (column.id == state.sort.column, state.sort.descending) {
            (false, _) => ' ',
            (true, true) => '▼',
            (true, false) => '▲',
        };
        let cursor = if under_cursor { '>' } else { ' ' };
        let entry = format!("{cursor}{arrow} {} {}", text::left(column.title, TITLE), column.help);
        let style = if under_cursor { theme::selection() } else { Default::default() };
        put(buffer, menu, y + 1, &Line::from(Span::styled(text::left(&entry, width), style)));
    }
}
