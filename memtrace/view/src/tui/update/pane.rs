//! Keys in the text panes: details, explanation, decisions.

use super::common;
use super::effect::Effect;
use super::selection::{areas, select};
use crate::tui::key::{Key, Motion};
use crate::tui::state::{Screen, State};
use crate::tui::view;

pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    if let Some(motion) = key.motion() {
        move_text(state, motion);
        return Vec::new();
    }
    match (key, state.screen) {
        (Key::Esc | Key::Backspace | Key::Left, _)
        | (Key::Enter, Screen::Detail { .. } | Screen::Decisions { .. })
        | (Key::Char('e'), Screen::Explain { .. })
        | (Key::Char('D'), Screen::Decisions { .. }) => open(state, Screen::Table),
        (Key::Enter, _) => detail(state),
        (Key::Tab, screen) if screen.has_subject() => neighbour(state, Motion::By(1)),
        (Key::BackTab, screen) if screen.has_subject() => neighbour(state, Motion::By(-1)),
        (key, _) => common::press(state, key).unwrap_or_default(),
    }
}

fn move_text(state: &mut State, motion: Motion) {
    let body = areas(state).body;
    let highest = view::scroll_limit(state, body);
    let page = usize::from(body.height).saturating_sub(2);
    if let Some(scroll) = state.screen.scroll() {
        *scroll = motion.apply((*scroll).min(highest), highest.saturating_add(1), page);
    }
}

/// Shows another screen. The threads of a VM are read for the detail pane alone.
pub(super) fn open(state: &mut State, screen: Screen) -> Vec<Effect> {
    let had_detail = matches!(state.screen, Screen::Detail { .. });
    state.screen = screen;
    match screen {
        Screen::Detail { .. } => vec![Effect::SetDetail(state.selected)],
        _ if had_detail => vec![Effect::SetDetail(None)],
        _ => Vec::new(),
    }
}

/// Everything about the selected VM.
pub(super) fn detail(state: &mut State) -> Vec<Effect> {
    of_selected(state, Screen::Detail { scroll: 0 })
}

/// The policy's explanation for the selected VM.
pub(super) fn explain(state: &mut State) -> Vec<Effect> {
    of_selected(state, Screen::Explain { scroll: 0 })
}

fn of_selected(state: &mut State, screen: Screen) -> Vec<Effect> {
    if state.selected_vm().is_none() {
        return Vec::new();
    }
    state.chosen = true;
    open(state, screen)
}

/// The same pane of the next or the previous VM of the table.
fn neighbour(state: &mut State, motion: Motion) -> Vec<Effect> {
    let to = motion.apply(state.cursor, state.rows().len(), 1);
    if to == state.cursor {
        return Vec::new();
    }
    select(state, to);
    let mut screen = state.screen;
    if let Some(scroll) = screen.scroll() {
        *scroll = 0;
    }
    open(state, screen)
}
