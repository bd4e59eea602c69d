//! Keys to move through a recording, as in atop and below, except `j`, which moves the selection:
//! `[ ]` and `{ }` jump, and `J` prompts for a time. `T` doesn't sort by TAKEN in a recording; `s`
//! does.

use super::effect::Effect;
use super::prompt::edit;
use crate::tui::key::Key;
use crate::tui::rows::Lives;
use crate::tui::state::{Overlay, State};
use memtrace_core::model::Snapshot;
use memtrace_core::model::{History, Waits};
use memtrace_core::replay::order::{Mark, Order, Place};
use memtrace_core::replay::time::{self, Relative};
use memtrace_core::units::{Nanos, WallNanos};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
/// Longest text for a time.
const TEXT: usize = 40;
/// The longest gap between two snapshots over which histories continue.
const NEAR: Nanos = Nanos(60 * Nanos::SECOND.0);

/// `None`: the key has nothing to do with time, or this is no recording.
pub(super) fn press(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    let place = state.replay.as_ref()?;
    let order = match key {
        Key::Char('p' | ' ') => Order::Play(!place.playing),
        Key::Char('t') => Order::Next,
        Key::Char('T') => Order::Back,
        Key::Char(']') => Order::Jump(MINUTE),
        Key::Char('[') => Order::Jump(-MINUTE),
        Key::Char('}') => Order::Jump(HOUR),
        Key::Char('{') => Order::Jump(-HOUR),
        Key::Char('n') => Order::Find(Mark::Decision),
        Key::Char('a') => Order::Find(Mark::Alert),
        Key::Char('J') => {
            state.overlay = Some(Overlay::GoTo(Default::default()));
            return Some(Vec::new());
        }
        _ => return None,
    };
    Some(ask(state, order))
}

fn ask(state: &mut State, order: Order) -> Vec<Effect> {
    if let Some(place) = &mut state.replay {
        // The result may be the same again, and is reported again.
        place.remark = None;
    }
    vec![Effect::Replay(order)]
}

/// Keys while a time is typed.
pub(super) fn prompt(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(Overlay::GoTo(prompt)) = &mut state.overlay else { return Vec::new() };
    match key {
        Key::Esc => state.overlay = None,
        Key::Enter if prompt.text.is_empty() => state.overlay = None,
        Key::Enter => {
            let now = state.snapshot.as_ref().map_or(WallNanos(0), |snapshot| snapshot.wall);
            match time::parse(&prompt.text, &state.zone, now, Relative::Position) {
                Ok(to) => {
                    state.overlay = None;
                    return ask(state, Order::Go(to));
                }
                Err(error) => prompt.error = Some(error),
            }
        }
        key => {
            if edit(&mut prompt.text, key, TEXT) {
                prompt.error = None;
            }
        }
    }
    Vec::new()
}

/// Updates the position in the recording.
pub(super) fn stand(state: &mut State, place: Place) {
    let before = state.replay.as_ref().and_then(|before| before.remark.as_ref());
    if place.remark.is_some() && place.remark.as_ref() != before {
        state.remark = place.remark.as_deref().map(str::to_owned);
    }
    state.replay = Some(place);
}

/// Clears histories if `now` doesn't follow the previous snapshot.
pub(super) fn leap(state: &mut State, now: &Snapshot) {
    let (Some(_), Some(before)) = (&state.replay, &state.snapshot) else { return };
    let since = now.wall.0.checked_sub(before.wall.0);
    if since.is_none_or(|since| since > NEAR.0) {
        (state.lives, state.history) = (Lives::default(), History::default());
        state.waits = Waits::default();
        state.snapshot = None;
    }
}
