//! The table: a head and one row per VM.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::line::{put, styled};
use crate::columns::{self, Cell, ColumnId, Placed, SortKey, cell};
use crate::emphasis::Emphasis;
use crate::summary;
use crate::tui::geometry;
use crate::tui::rows::{Life, Row};
use crate::tui::state::State;
use crate::tui::theme;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::text;

/// Columns before the first: the mark of the selected row.
const MARK: usize = 1;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let width = usize::from(area.width);
    let rows = state.rows();
    let Some(snapshot) = &state.snapshot else { return };
    if rows.is_empty() {
        let gap = usize::from(area.height > 5);
        let advice = summary::empty_table(snapshot, state.filter.as_ref());
        for (y, line) in text::wrap(&advice, width).into_iter().enumerate() {
            put(buffer, area, y + gap, &Line::from(line));
        }
        return;
    }
    let placed = placed(state, width);
    put(buffer, area, 0, &head(&placed, state));
    let page = geometry::table_rows(area);
    let offset = geometry::keep_seen(state.offset, state.cursor, rows.len(), page);
    for (y, row) in rows.iter().skip(offset).take(page).enumerate() {
        let selected = Some(row.vm.id) == state.selected;
        put(buffer, area, y + 1, &line(row, &placed, selected, state));
        if selected {
            let y = area.y.saturating_add(u16::try_from(y + 1).unwrap_or(u16::MAX));
            buffer.set_style(Rect { y, height: 1, ..area }.intersection(area), theme::selection());
        }
    }
}

/// The columns that a screen of `width` shows.
pub(super) fn placed(state: &State, width: usize) -> Vec<Placed> {
    let (total, longest) = (width.saturating_sub(MARK), longest(state));
    // A wider screen may show the end already.
    let limit = columns::scroll_limit(total, state.sort, longest, &state.columns);
    let which = (&state.columns[..], state.skipped.min(limit));
    columns::window(total, state.sort, longest, which)
}

/// By how many columns the table can be scrolled.
pub(in crate::tui) fn scroll_limit(state: &State) -> usize {
    let total = usize::from(state.size.0).saturating_sub(MARK);
    columns::scroll_limit(total, state.sort, longest(state), &state.columns)
}

/// The width of the longest name.
fn longest(state: &State) -> usize {
    let rows = state.rows();
    let names = rows.iter().map(|row| text::width(&text::clean(&called(row.vm, state.ids))));
    names.max().unwrap_or(0)
}

fn head(placed: &[Placed], state: &State) -> Line<'static> {
    let arrow = if state.sort.descending { '▼' } else { '▲' };
    let mut line = Line::from(Span::raw(" "));
    for (index, place) in placed.iter().enumerate() {
        let column = place.id.column();
        let sorted = place.id == state.sort.column;
        let title = match (sorted, index) {
            (true, 0) => format!("{}{arrow}", column.title),
            (true, _) => format!("{arrow}{}", column.title),
            (false, _) => column.title.to_owned(),
        };
        // The gap before a column has room for its arrow.
        let gap = usize::from(index > 0);
        let field = if !column.left {
            text::right(&title, place.width + gap)
        } else if sorted || gap == 0 {
            text::left(&title, place.width + gap)
        } else {
            text::left(&format!(" {title}"), place.width + gap)
        };
        let style = if sorted { theme::head().patch(theme::selection()) } else { theme::head() };
        line.push_span(Span::styled(field, style));
    }
    line
}

/// What a VM is called in the first column.
fn called(vm: &VmView, ids: bool) -> Cow<'_, str> {
    if ids { vm.number() } else { vm.title() }
}

fn line(row: &Row<'_>, placed: &[Placed], selected: bool, state: &State) -> Line<'static> {
    let color = state.color;
    let mark = match (selected, row.life) {
        (true, _) => ">",
        (false, Life::New) => "+",
        (false, Life::Gone) => "x",
        (false, Life::Steady) => " ",
    };
    let mut line = Line::from(styled(mark, Emphasis::Strong, color));
    for (index, place) in placed.iter().enumerate() {
        if index > 0 {
            line.push_span(Span::raw(" "));
        }
        let mut cell = lived(cell(place.id, row.vm), place.id, row.life);
        if place.id == ColumnId::Name {
            cell.text = text::clean(&called(row.vm, state.ids)).into_owned().into();
        }
        let field = if place.id.column().left {
            text::left(&cell.text, place.width)
        } else {
            text::right(&cell.text, place.width)
        };
        let emphasis = match row.life {
            Life::Gone => Emphasis::Dim,
            _ if place.id == ColumnId::Name && row.life == Life::New => Emphasis::Strong,
            _ => cell.emphasis(place.id),
        };
        line.push_span(styled(field, emphasis, color));
    }
    line
}

/// A new or gone VM shows that instead of its state.
fn lived(cell: Cell<'_>, column: ColumnId, life: Life) -> Cell<'_> {
    let word = match life {
        Life::Steady => return cell,
        Life::New => "new",
        Life::Gone => "gone",
    };
    if column != ColumnId::State {
        return cell;
    }
    Cell {
        text: word.into(),
        quality: memtrace_core::signal::Quality::Exact,
        key: SortKey::Unknown,
    }
}
