//! New snapshots and decisions: shown at once, or kept while the view is paused.

use std::sync::Arc;

use super::effect::Effect;
use super::replay;
use crate::tui::state::{Screen, State};
use memtrace_core::live::Latest;
use memtrace_core::model::Snapshot;
use memtrace_core::reactor::Decided;

pub(super) fn pause(state: &mut State) {
    state.paused = !state.paused;
    if let Some(newest) = state.newest_decided.take() {
        decide(state, newest);
    }
    if let Some(newest) = state.newest.take() {
        show(state, newest);
    }
}

pub(super) fn receive(state: &mut State, latest: Latest) -> Vec<Effect> {
    match latest {
        Latest::Starting => {}
        Latest::Waiting(reason) => state.waiting = Some(reason),
        Latest::Failed(reason) => state.failure = Some(reason),
        Latest::Snapshot(snapshot) => {
            state.waiting = None;
            if state.paused && state.snapshot.is_some() {
                state.newest = Some(snapshot);
            } else {
                show(state, snapshot);
            }
        }
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

pub(super) fn decide(state: &mut State, decided: Decided) {
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
