//! The views: pure functions from the state to cells of a buffer, one widget per file.

mod decisions;
mod detail;
mod explain;
mod footer;
mod header;
pub(super) mod help;
mod line;
mod prompt;
mod sort_menu;
pub(super) mod table;
mod text_pane;
mod too_small;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::geometry;
use super::state::{Overlay, Screen, State};

/// Draws everything that is seen.
pub fn draw(buffer: &mut Buffer, screen: Rect, state: &State) {
    let areas = geometry::areas(state, screen);
    if let Some(Overlay::Help { scroll }) = state.overlay {
        return help::draw(buffer, screen, state, scroll);
    }
    if areas.minimal {
        too_small::draw(buffer, &areas, state);
    } else {
        header::draw(buffer, areas.header, state);
        footer::draw(buffer, areas.footer, state);
    }
    match state.screen {
        Screen::Table => table::draw(buffer, areas.body, state),
        Screen::Detail { scroll } | Screen::Explain { scroll } | Screen::Decisions { scroll } => {
            let (caption, lines) = text_of(state, areas.body);
            text_pane::draw(buffer, areas.body, &caption, &lines, scroll);
        }
    }
    match &state.overlay {
        Some(Overlay::SortMenu { index }) => {
            sort_menu::draw(buffer, areas.header.union(areas.body), state, *index);
        }
        Some(Overlay::Filter(prompt)) => {
            prompt::draw(buffer, prompt::place(&areas), "filter /", prompt, state);
        }
        Some(Overlay::Interval(prompt)) => {
            prompt::draw(buffer, prompt::place(&areas), "interval: ", prompt, state);
        }
        Some(Overlay::GoTo(prompt)) => {
            let label = "go to (14:05, +10min, -1h): ";
            prompt::draw(buffer, prompt::place(&areas), label, prompt, state);
        }
        Some(Overlay::Help { .. }) | None => {}
    }
}

/// The maximum scroll position of a pane.
pub(super) fn scroll_limit(state: &State, area: Rect) -> usize {
    text_pane::limit(&text_of(state, area).1, area)
}

/// The lines of a pane of this width.
fn text_of(state: &State, area: Rect) -> (String, Vec<Line<'static>>) {
    let width = usize::from(area.width);
    match state.screen {
        Screen::Table => (String::new(), Vec::new()),
        Screen::Detail { .. } => (detail::caption(state), detail::lines(state, width)),
        Screen::Explain { .. } => (explain::caption(state), explain::lines(state, width)),
        Screen::Decisions { .. } => (decisions::caption(state), decisions::lines(state, width)),
    }
}
