//! Keys in the detail pane.

use super::{Effect, areas, common, select};
use crate::tui::key::{Key, Motion};
use crate::tui::state::{Screen, State};
use crate::tui::view::detail;

pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let Screen::Detail { scroll } = state.screen else { return Vec::new() };
    if let Some(motion) = key.motion() {
        let body = areas(state).body;
        let highest = detail::scroll_limit(state, body);
        let page = usize::from(body.height).saturating_sub(2);
        let to = motion.apply(scroll.min(highest), highest.saturating_add(1), page);
        state.screen = Screen::Detail { scroll: to };
        return Vec::new();
    }
    match key {
        Key::Esc | Key::Enter | Key::Backspace | Key::Left => {
            state.screen = Screen::Table;
            vec![Effect::SetDetail(None)]
        }
        Key::Tab => neighbour(state, Motion::By(1)),
        Key::BackTab => neighbour(state, Motion::By(-1)),
        key => common(state, key).unwrap_or_default(),
    }
}

/// Opens the next or the previous VM of the table.
fn neighbour(state: &mut State, motion: Motion) -> Vec<Effect> {
    let to = motion.apply(state.cursor, state.rows().len(), 1);
    if to == state.cursor {
        return Vec::new();
    }
    select(state, to);
    state.screen = Screen::Detail { scroll: 0 };
    vec![Effect::SetDetail(state.selected)]
}
