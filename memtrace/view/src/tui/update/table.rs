//! Keys in the table.

use super::effect::Effect;
use super::selection::{select, table_page};
use super::{common, pane};
use crate::columns::{ColumnId, Sort};
use crate::tui::key::Key;
use crate::tui::state::{Overlay, Prompt, State};
use crate::tui::view::table::scroll_limit;

pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    if let Some(motion) = key.motion() {
        let count = state.rows().len();
        let to = motion.apply(state.cursor, count, table_page(state));
        select(state, to);
        return Vec::new();
    }
    match key {
        Key::Enter => return pane::detail(state),
        Key::Left => state.skipped = shown(state).saturating_sub(1),
        Key::Right => state.skipped = (shown(state) + 1).min(scroll_limit(state)),
        Key::Esc => state.filter = None,
        Key::Char('<' | ',') => state.sort = Sort::by(state.sort.column.previous()),
        Key::Char('>' | '.') => state.sort = Sort::by(state.sort.column.next()),
        Key::Char('r' | 'R') => state.sort = state.sort.reversed(),
        Key::Char('P') => state.sort = Sort::by(ColumnId::Cpu),
        Key::Char('M') => state.sort = Sort::by(ColumnId::Rss),
        Key::Char('T') => state.sort = Sort::by(ColumnId::Taken),
        Key::Char('S') => state.sort = Sort::by(ColumnId::Swap),
        Key::Char('N') => state.sort = Sort::by(ColumnId::Name),
        Key::Char('s') => {
            state.overlay = Some(Overlay::SortMenu { index: state.sort.column as usize });
        }
        Key::Char('/') => {
            let text = state.filter.as_ref().map(|filter| filter.expression().to_owned());
            let prompt = Prompt { text: text.unwrap_or_default(), error: None };
            state.overlay = Some(Overlay::Filter(prompt));
        }
        key => return common::press(state, key).unwrap_or_default(),
    }
    Vec::new()
}

/// By how many columns the table is scrolled on this screen.
fn shown(state: &State) -> usize {
    state.skipped.min(scroll_limit(state))
}
