//! Keys that mean the same in the table and in the panes.

use super::effect::Effect;
use super::{arrival, pane};
use crate::tui::key::Key;
use crate::tui::state::{Overlay, Screen, State};

/// `None` for any other key.
pub(super) fn press(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    match key {
        Key::Char('q') => return Some(vec![Effect::Quit]),
        Key::Char('h' | '?') | Key::Function(1) => {
            state.overlay = Some(Overlay::Help { scroll: 0 });
        }
        Key::Char('p' | ' ') => arrival::pause(state),
        Key::Char('i') => state.ids = !state.ids,
        Key::Char('d') => state.overlay = Some(Overlay::Interval(Default::default())),
        Key::Char('e') => return Some(pane::explain(state)),
        Key::Char('D') => return Some(pane::open(state, Screen::Decisions { scroll: 0 })),
        _ => return None,
    }
    Some(Vec::new())
}
