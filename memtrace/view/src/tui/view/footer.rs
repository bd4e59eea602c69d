//! The footer: why a value is empty, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::line::{fit, put};
use super::table;
use crate::columns::{self, ColumnId, cell};
use crate::emphasis::{Emphasis, Part};
use crate::tui::state::{Screen, State};
use memtrace_core::model::snapshot::VmView;
use memtrace_core::text;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let width = usize::from(area.width);
    if let Some(explanation) = explanation(state, width) {
        put(buffer, area, 0, &fit(&[explanation], width, state.color));
    }
    let keys: &[&str] = match state.screen {
        Screen::Table => &[
            "h help",
            "q quit",
            "Enter detail",
            "←→ columns",
            "e explain",
            "D decisions",
            "/ filter",
            "s sort",
            "<> sort by",
            "r reverse",
            "p pause",
            "d interval",
        ],
        Screen::Detail { .. } => {
            &["h help", "q quit", "Esc back", "Tab next VM", "e explain", "↑↓ scroll", "p pause"]
        }
        Screen::Explain { .. } => {
            &["h help", "q quit", "Esc back", "Tab next VM", "D decisions", "↑↓ scroll", "p pause"]
        }
        Screen::Decisions { .. } => {
            &["h help", "q quit", "Esc back", "e explain", "↑↓ scroll", "p pause"]
        }
    };
    let of_time: &[&str] = match state.replay {
        Some(_) => &["Space play", "t T step", "[ ] minute", "J go to", "n decision", "a alert"],
        None => &[],
    };
    let keys: Vec<_> =
        of_time.iter().chain(keys).map(|key| Part::new(*key, Emphasis::Dim)).collect();
    put(buffer, area, 1, &fit(&keys, width, state.color));
}

/// The message about the last action; else why the cell that is sorted by is not exact; else why a
/// visible column is empty, for the first such column; else what is not exact in the selected row.
fn explanation(state: &State, width: usize) -> Option<Part> {
    if let Some(remark) = &state.remark {
        return Some(Part::new(remark.clone(), Emphasis::Strong));
    }
    if state.screen != Screen::Table {
        return None;
    }
    let selected = state.selected_vm()?;
    let sort = state.sort.column;
    let quality = cell(sort, selected).quality;
    if let Some(reason) = quality.reason() {
        let (title, word) = (sort.column().title, quality.word());
        let name = text::truncate(&text::clean(&selected.name), width / 4).into_owned();
        return Some(dim(format!("{title} of {name} is {word}: {}", text::clean(reason))));
    }
    let rows = state.rows();
    let vms: Vec<_> = rows.iter().map(|row| row.vm).collect();
    let mut empty = table::placed(state, width).into_iter().filter_map(|place| {
        let reason = columns::empty_because(place.id, &vms).filter(|_| lacks(place.id))?;
        Some((place.id.column().title, reason))
    });
    if let Some((title, reason)) = empty.next() {
        let more = empty.count();
        let more = if more > 0 { format!(" (+{more} columns: Enter)") } else { String::new() };
        return Some(dim(format!("{title} is absent{more}: {}", text::clean(&reason))));
    }
    not_exact(state, selected, width)
}

/// Why the first empty cell of the selected row is empty, or else why its first marked number is
/// approximate.
fn not_exact(state: &State, selected: &VmView, width: usize) -> Option<Part> {
    let placed = table::placed(state, width);
    let told = |absent: bool| {
        placed.iter().find_map(|place| {
            let quality = cell(place.id, selected).quality;
            let is_meant = quality.is_absent() == absent && (!absent || lacks(place.id));
            let reason = quality.reason().filter(|_| is_meant)?;
            let (title, word) = (place.id.column().title, quality.word());
            Some(dim(format!("{title} here is {word}: {}", text::clean(reason))))
        })
    };
    told(true).or_else(|| told(false))
}

/// Whether an empty cell of this column means unknown. A VM without a balloon target is normal.
fn lacks(column: ColumnId) -> bool {
    column != ColumnId::Target
}

fn dim(text: String) -> Part {
    Part::new(text, Emphasis::Dim)
}
