//! The views: pure functions from a state to cells of a buffer, one widget a file.

pub(super) mod detail;
mod footer;
mod header;
pub(super) mod help;
mod line;
mod prompt;
mod sort_menu;
mod table;
mod too_small;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::geometry;
use super::state::{Overlay, Screen, State};

/// Draws everything that is seen.
pub(super) fn draw(buffer: &mut Buffer, screen: Rect, state: &State) {
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
        Screen::Detail { scroll } => detail::draw(buffer, areas.body, state, scroll),
    }
    match &state.overlay {
        Some(Overlay::SortMenu { index }) => {
            sort_menu::draw(buffer, areas.header.union(areas.body), state, *index);
        }
        Some(Overlay::Filter(prompt)) => {
            prompt::draw(buffer, prompt::place(&areas), "filter /", prompt, state);
        }
        Some(Overlay::Interval(prompt)) => {
            prompt::draw(buffer, prompt::place(&areas), "interval in s: ", prompt, state);
        }
        Some(Overlay::Help { .. }) | None => {}
    }
}
