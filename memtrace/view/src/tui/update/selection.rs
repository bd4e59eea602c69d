//! Which VM is selected, and that its row stays visible.

use ratatui::layout::Rect;

use crate::tui::geometry::{self, Areas};
use crate::tui::state::State;
use memtrace_core::sample::VmId;

/// Keeps the selection on its VM, or on its row when the VM is gone, and keeps it visible.
pub(super) fn follow(state: &mut State) {
    let ids: Vec<VmId> = state.rows().iter().map(|row| row.vm.id).collect();
    let chosen = state.selected.filter(|_| state.chosen);
    let found = chosen.and_then(|id| ids.iter().position(|other| *other == id));
    state.cursor = match found {
        Some(row) => row,
        None if state.chosen => state.cursor.min(ids.len().saturating_sub(1)),
        None => 0,
    };
    if !ids.is_empty() {
        state.selected = ids.get(state.cursor).copied();
    }
    if let Some(snapshot) = &state.snapshot {
        state.waits.follow(snapshot, state.selected);
    }
    let page = table_page(state);
    state.offset = geometry::keep_seen(state.offset, state.cursor, ids.len(), page);
}

/// Moves the selection to a row.
pub(super) fn select(state: &mut State, row: usize) {
    state.selected = state.rows().get(row).map(|row| row.vm.id).or(state.selected);
    state.chosen = true;
    state.cursor = row;
}

pub(super) fn areas(state: &State) -> Areas {
    geometry::areas(state, Rect::new(0, 0, state.size.0, state.size.1))
}

/// Visible rows of the table.
pub(super) fn table_page(state: &State) -> usize {
    geometry::table_rows(areas(state).body)
}
