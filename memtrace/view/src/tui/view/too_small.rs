//! Terminals too small for header and footer: one summary line and the table.

use ratatui::buffer::Buffer;

use super::line::{fit, put};
use crate::emphasis::{Emphasis, Part};
use crate::summary;
use crate::tui::geometry::Areas;
use crate::tui::state::State;
use memtrace_core::format;

pub(super) fn draw(buffer: &mut Buffer, areas: &Areas, state: &State) {
    let width = usize::from(areas.header.width);
    let mut parts = Vec::new();
    match (&state.snapshot, &state.failure) {
        (_, Some(_)) => parts.push(Part::new("no more data", Emphasis::Hot)),
        (None, None) => parts.push(Part::plain("waiting")),
        (Some(snapshot), None) => {
            if state.replay.is_some() {
                parts.push(Part::new("REPLAY", Emphasis::Hot));
            }
            if state.waiting.is_some() {
                parts.push(Part::new("waiting", Emphasis::Hot));
            }
            if state.paused {
                parts.push(Part::new("PAUSED", Emphasis::Hot));
            }
            parts.extend(summary::vms(snapshot).into_iter().take(1));
            if let Some(psi) = snapshot.host.psi.value {
                parts.push(Part::plain(format!("PSI {}", format::count(psi.some.avg10, 4))));
            }
        }
    }
    parts.push(Part::new("h help", Emphasis::Dim));
    put(buffer, areas.header, 0, &fit(&parts, width, state.color));
}
