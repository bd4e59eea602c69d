//! Keys in the help and in the sort menu.

use super::selection::areas;
use crate::columns::{self, Sort};
use crate::tui::geometry;
use crate::tui::key::Key;
use crate::tui::state::{Overlay, State};
use crate::tui::view::help;

pub(super) fn help(state: &mut State, key: Key) {
    let Some(Overlay::Help { scroll }) = &mut state.overlay else { return };
    if let Some(motion) = key.motion() {
        let highest = help::scroll_limit(state.size);
        let page = usize::from(state.size.1).saturating_sub(3);
        *scroll = motion.apply((*scroll).min(highest), highest.saturating_add(1), page);
    } else if matches!(
        key,
        Key::Esc | Key::Enter | Key::Char('q' | 'h' | '?' | ' ') | Key::Function(1)
    ) {
        state.overlay = None;
    }
}

pub(super) fn sort_menu(state: &mut State, key: Key) {
    let areas = areas(state);
    let page = geometry::table_rows(areas.header.union(areas.body));
    let Some(Overlay::SortMenu { index }) = &mut state.overlay else { return };
    let columns = columns::all();
    if let Some(motion) = key.motion() {
        *index = motion.apply(*index, columns.len(), page);
        return;
    }
    match key {
        Key::Enter | Key::Char(' ') => {
            if let Some(column) = columns.get(*index) {
                // Choosing the column again reverses the order.
                let again = column.id == state.sort.column;
                state.sort = if again { state.sort.reversed() } else { Sort::by(column.id) };
            }
            state.overlay = None;
        }
        Key::Char('r' | 'R') => state.sort = state.sort.reversed(),
        Key::Esc | Key::Char('q' | 's') => state.overlay = None,
        _ => {}
    }
}
