//! The update function: a message changes the state and returns effects, which the terminal carries
//! out. Pure.

mod overlay;
mod pane;
mod prompt;
mod replay;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Rect;

use super::geometry::{self, Areas};
use super::key::Key;
use super::state::{Overlay, Screen, State};
use memtrace_core::live::Latest;
use memtrace_core::model::Snapshot;
use memtrace_core::reactor::Decided;
use memtrace_core::replay::order::{Order, Place};
use memtrace_core::sample::VmId;

/// An event.
#[derive(Clone, Debug)]
pub enum Message {
    Key(Key),
    /// Text that was pasted.
    Paste(String),
    Resize(u16, u16),
    Latest(Latest),
    Decided(Decided),
    /// Position in the recording.
    Replay(Place),
    /// The sampling loop ended without an error.
    Ended,
}

/// An effect to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    /// Restore the terminal and stop the process until SIGCONT.
    Suspend,
    /// Redraw the whole screen, which another program has written to.
    Repaint,
    SetInterval(Duration),
    /// Read the threads of this VM, or of none.
    SetDetail(Option<VmId>),
    /// Of the recording.
    Replay(Order),
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
        Message::Latest(latest) => receive(state, latest),
        Message::Decided(decided) => {
            decide(state, decided);
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
    follow_selection(state);
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

/// Keys that mean the same in the table and in the panes.
fn common(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    match key {
        Key::Char('q') => return Some(vec![Effect::Quit]),
        Key::Char('h' | '?') | Key::Function(1) => {
            state.overlay = Some(Overlay::Help { scroll: 0 });
        }
        Key::Char('p' | ' ') => pause(state),
        Key::Char('i') => state.ids = !state.ids,
        Key::Char('d') => state.overlay = Some(Overlay::Interval(Default::default())),
        Key::Char('e') => return Some(pane::explain(state)),
        Key::Char('D') => return Some(pane::open(state, Screen::Decisions { scroll: 0 })),
        _ => return None,
    }
    Some(Vec::new())
}

fn pause(state: &mut State) {
    state.paused = !state.paused;
    if let Some(newest) = state.newest_decided.take() {
        decide(state, newest);
    }
    if let Some(newest) = state.newest.take() {
        show(state, newest);
    }
}

fn receive(state: &mut State, latest: Latest) -> Vec<Effect> {
    match latest {
        Latest::Starting => {}
        Latest::Failed(reason) => state.failure = Some(reason),
        Latest::Snapshot(snapshot) if state.paused && state.snapshot.is_some() => {
            state.newest = Some(snapshot);
        }
        Latest::Snapshot(snapshot) => show(state, snapshot),
    }
    leave_pane_without_vm(state)
}

fn show(state: &mut State, mut snapshot: Arc<Snapshot>) {
    state.decided.aim(&mut snapshot);
    replay::leap(state, &snapshot);
    state.lives.observe(state.snapshot.as_deref(), &snapshot);
    state.history.push(&snapshot);
    state.snapshot = Some(snapshot);
}

fn decide(state: &mut State, decided: Decided) {
    if state.paused && state.snapshot.is_some() {
        state.newest_decided = Some(decided);
        return;
    }
    if let Some(snapshot) = &mut state.snapshot {
        decided.aim(snapshot);
    }
    state.decided = decided;
}

/// Returns to the table when the VM of a pane is gone.
fn leave_pane_without_vm(state: &mut State) -> Vec<Effect> {
    if !state.screen.has_subject() || state.selected_vm().is_some() {
        return Vec::new();
    }
    state.screen = Screen::Table;
    state.remark = Some("the VM is gone".to_owned());
    vec![Effect::SetDetail(None)]
}

/// Keeps the selection on its VM, or on its row when the VM is gone, and keeps it visible.
fn follow_selection(state: &mut State) {
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
fn select(state: &mut State, row: usize) {
    state.selected = state.rows().get(row).map(|row| row.vm.id).or(state.selected);
    state.chosen = true;
    state.cursor = row;
}

fn areas(state: &State) -> Areas {
    geometry::areas(state, Rect::new(0, 0, state.size.0, state.size.1))
}

/// Visible rows of the table.
fn table_page(state: &State) -> usize {
    geometry::table_rows(areas(state).body)
}
