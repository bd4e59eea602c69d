//! The help: keys, columns, marks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::line::{put, styled};
use crate::columns;
use crate::emphasis::Emphasis;
use crate::tui::state::State;
use memtrace_core::text;

const KEYS: [(&str, &str); 24] = [
    ("↑ ↓ j k", "select a VM, scroll"),
    ("PgUp PgDn g G", "page up, page down, first, last"),
    ("Enter", "details of the selected VM; Esc: back, Tab: next VM"),
    ("e", "explain the policy's decision for the selected VM"),
    ("D", "decisions of the policy with reasons, newest first"),
    ("← →", "scroll the columns of the table"),
    ("< >", "sort by the previous, the next column"),
    ("r", "reverse the order"),
    ("s", "choose the sort column"),
    ("P M", "sort by CPU, by host memory (RSS)"),
    ("T S N", "sort by pages taken, by swap, by name"),
    ("i", "names of VMs, or ids of their platform where it is known"),
    ("/", "filter VMs by name (regular expression)"),
    ("Esc", "clear the filter"),
    ("p Space", "pause, resume"),
    ("d", "interval, 100ms to 1min"),
    ("q Ctrl-C", "quit"),
    ("t T", "replay: one sample forward, back (T doesn't sort there, s does)"),
    ("[ ] { }", "replay: a minute, an hour back and forward"),
    ("J", "replay: go to a time, or by an offset"),
    ("n a", "replay: next decision, next alert"),
    ("h ? F1", "this help"),
    ("Ctrl-L", "redraw"),
    ("Ctrl-Z", "suspend"),
];

const MARKS: [(&str, &str); 7] = [
    ("-", "unknown; the footer and the detail pane give the reason"),
    ("~", "approximate; the detail pane gives the reason"),
    ("> + x", "selected VM, new VM, VM that is gone"),
    ("K M G", "memory in powers of 1024; counts (k M) in powers of 1000"),
    ("stall", "STALL: time its threads waited for memory"),
    ("caused", "CAUSE: reclaim done by the VM's own threads"),
    ("taken", "TAKEN: pages reclaimed from it, by any process"),
];

/// Columns of keys and titles.
const KEY: usize = 15;
/// Narrower than this, descriptions are shown below the keys.
const NARROW: usize = 40;

pub(super) fn draw(buffer: &mut Buffer, screen: Rect, state: &State, scroll: usize) {
    let lines = lines(usize::from(screen.width), state.color);
    let room = usize::from(screen.height).saturating_sub(1);
    let scroll = scroll.min(lines.len().saturating_sub(room));
    for (y, line) in lines.iter().skip(scroll).take(room).enumerate() {
        put(buffer, screen, y, line);
    }
    let more = if lines.len() > room { "↑↓ scroll  " } else { "" };
    let way_out = styled(format!("{more}Esc: close help"), Emphasis::Dim, state.color);
    put(buffer, screen, room, &Line::from(way_out));
}

/// The maximum scroll position of the help on a screen of this size.
pub(in crate::tui) fn scroll_limit(size: (u16, u16)) -> usize {
    let room = usize::from(size.1).saturating_sub(1);
    lines(usize::from(size.0), false).len().saturating_sub(room)
}

fn lines(width: usize, color: bool) -> Vec<Line<'static>> {
    let head = |title: &str| Line::from(styled(title, Emphasis::Strong, color));
    let mut lines = vec![head("memtrace top: memory pressure per VM")];
    lines.extend(KEYS.iter().flat_map(|(key, does)| entry(key, does, width, color)));
    lines.push(Line::default());
    lines.push(head("Columns (← → and wider terminals show more)"));
    for column in columns::all() {
        lines.extend(entry(column.title, column.help, width, color));
    }
    lines.push(Line::default());
    lines.push(head("Marks and words"));
    lines.extend(MARKS.iter().flat_map(|(mark, means)| entry(mark, means, width, color)));
    lines
}

/// A key and its description, wrapped.
fn entry(key: &str, does: &str, width: usize, color: bool) -> Vec<Line<'static>> {
    if width < NARROW {
        let key = Line::from(styled(format!(" {key}"), Emphasis::Strong, color));
        let below = text::wrap(does, width.saturating_sub(3).max(1));
        return std::iter::once(key)
            .chain(below.into_iter().map(|words| Line::from(format!("   {words}"))))
            .collect();
    }
    let mut keys = std::iter::once(key).chain(std::iter::repeat(""));
    let line = |words: String| {
        let key = text::left(keys.next().unwrap_or_default(), KEY);
        Line::from(vec![styled(format!(" {key}"), Emphasis::Strong, color), words.into()])
    };
    text::wrap(does, width - KEY - 1).into_iter().map(line).collect()
}
