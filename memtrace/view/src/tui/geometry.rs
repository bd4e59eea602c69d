//! The layout of a screen of a given size, shared by update and views so that a page down matches
//! the visible page.

use ratatui::layout::Rect;

use super::state::State;
use crate::summary;

/// Below this height there is no room for header and footer.
const LEAST: (u16, u16) = (40, 10);
/// From this height on the full header is shown.
const WHOLE_HEADER: u16 = 14;
const FOOTER: u16 = 2;

/// The parts of the screen, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    /// The table or the detail pane.
    pub body: Rect,
    pub footer: Rect,
    /// There is room for one summary line and the table only.
    pub minimal: bool,
}

/// Cuts the screen.
pub fn areas(state: &State, screen: Rect) -> Areas {
    let minimal = screen.width < LEAST.0 || screen.height < LEAST.1;
    let header = if minimal { u16::from(screen.height > 2) } else { header_height(state, screen) };
    let footer = if minimal { 0 } else { FOOTER };
    let body = screen.height.saturating_sub(header + footer);
    let slice = |y: u16, height: u16| Rect { y: screen.y + y, height, ..screen };
    Areas {
        header: slice(0, header),
        body: slice(header, body),
        footer: slice(header + body, footer),
        minimal,
    }
}

/// Lines of the header: six, or two on a low screen, and up to two for failures.
fn header_height(state: &State, screen: Rect) -> u16 {
    let news = u16::from(notice_line(state)) + u16::from(loss_line(state));
    if screen.height >= WHOLE_HEADER { 6 + news } else { 2 + news.min(1) }
}

/// Whether the header has a line for notices.
pub(crate) fn notice_line(state: &State) -> bool {
    let has_lost = state.replay.as_ref().is_some_and(|place| !place.losses.is_empty());
    let has_notice = state.snapshot.as_ref().is_some_and(|s| !s.notices.is_empty());
    state.failure.is_some() || state.waiting.is_some() || has_lost || has_notice
}

/// Whether the header has a line for losses.
pub(crate) fn loss_line(state: &State) -> bool {
    state.snapshot.as_ref().is_some_and(|snapshot| summary::losses(snapshot).is_some())
}

/// Rows of the table in a body of this height: all but the head.
pub(crate) fn table_rows(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(1))
}

/// The first row to show so that `cursor` is seen, moved as little as possible from
/// `offset`.
pub(crate) fn keep_seen(offset: usize, cursor: usize, count: usize, page: usize) -> usize {
    let page = page.max(1);
    let highest = count.saturating_sub(page);
    let first = cursor.saturating_sub(page - 1);
    offset.clamp(first, cursor.max(first)).min(highest.max(first))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_cursor_is_always_seen(
            offset in 0_usize..100,
            count in 1_usize..100,
            cursor in 0_usize..100,
            page in 1_usize..50,
        ) {
            let cursor = cursor.min(count - 1);
            let first = keep_seen(offset, cursor, count, page);
            prop_assert!(first <= cursor && cursor < first + page);
            // No empty rows at the end while there are rows above.
            prop_assert!(first + page <= count || first <= count.saturating_sub(page));
        }
    }
}
