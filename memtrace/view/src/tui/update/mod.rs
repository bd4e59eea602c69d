//! The update function: a message changes the state and returns effects, which the terminal carries
//! out. Pure.

mod arrival;
mod common;
mod effect;
mod overlay;
mod pane;
mod prompt;
mod replay;
mod selection;
mod table;

#[cfg(test)]
mod tests;

use super::key::Key;
use super::state::{Overlay, Screen, State};
use memtrace_core::live::Latest;
use memtrace_core::reactor::Decided;
use memtrace_core::replay::order::Place;

pub use effect::Effect;

/// An event.
#[derive(Clone, Debug)]
pub enum Message {
    Key(Key),
    /// Text that was pasted.
    Paste(String),
    Resize(u16, u16),
    Latest(Latest),
    Decided(Decided),
    /// Who takes the samples now, where another memtrace does.
    From(String),
    /// Position in the recording.
    Replay(Place),
    /// The sampling loop ended without an error.
    Ended,
}

/// Applies a message to the state.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    let effects = match message {
        Message::Key(key) => press(state, key),
        Message::Paste(text) => prompt::paste(state, &text),
        Message::Resize(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Message::Latest(latest) => arrival::receive(state, latest),
        Message::Decided(decided) => {
            arrival::decide(state, decided);
            Vec::new()
        }
        Message::From(from) => {
            state.from = Some(from);
            Vec::new()
        }
        Message::Replay(place) => {
            replay::stand(state, place);
            Vec::new()
        }
        Message::Ended => {
            state.failure.get_or_insert_with(|| "the sampling loop has ended".into());
            Vec::new()
        }
    };
    selection::follow(state);
    effects
}

fn press(state: &mut State, key: Key) -> Vec<Effect> {
    state.remark = None;
    match key {
        Key::Ctrl('c') => return vec![Effect::Quit],
        Key::Ctrl('z') => return vec![Effect::Suspend],
        Key::Ctrl('l') => return vec![Effect::Repaint],
        _ => {}
    }
    match (&state.overlay, state.screen) {
        (Some(Overlay::Help { .. }), _) => overlay::help(state, key),
        (Some(Overlay::SortMenu { .. }), _) => overlay::sort_menu(state, key),
        (Some(Overlay::Filter(_)), _) => prompt::filter(state, key),
        (Some(Overlay::Interval(_)), _) => return prompt::interval(state, key),
        (Some(Overlay::GoTo(_)), _) => return replay::prompt(state, key),
        (None, screen) => {
            let of_time = replay::press(state, key);
            return of_time.unwrap_or_else(|| match screen {
                Screen::Table => table::press(state, key),
                _ => pane::press(state, key),
            });
        }
    }
    Vec::new()
}
