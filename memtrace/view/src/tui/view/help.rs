//! The help: keys, columns, marks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::line::{put, toned};
use crate::columns;
use crate::emphasis::Tone;
use crate::tui::state::State;
use memtrace_core::text;

const KEYS: [(&str, &str); 22] = [
    ("↑ ↓ j k", "select a VM, scroll"),
    ("PgUp PgDn g G", "by pages, to the first, to the last"),
    ("Enter", "everything about the selected VM; Esc leads back, Tab to the next VM"),
    ("e", "why memtrace would (not) act on the selected VM: each gate and number"),
    ("D", "decisions, newest first: what was done or would be, and why"),
    ("< >", "sort by the column at the left, at the right"),
    ("r", "reverse the order"),
    ("s", "choose the column to sort by"),
    ("P M", "sort by CPU, by host memory (RSS)"),
    ("T S N", "sort by pages taken, by swap, by name"),
    ("/", "show only VMs whose name matches a regular expression"),
    ("Esc", "show all VMs again"),
    ("p Space", "pause: the screen stays as it is"),
    ("d", "interval, 0.1 to 60 seconds"),
    ("t T", "in a recording: one moment on, back (T doesn't sort there, s does)"),
    ("[ ] { }", "in a recording: a minute, an hour back and on"),
    ("J", "in a recording: go to a time, or so far on or back"),
    ("n a", "in a recording: the next decision, the next alert"),
    ("h ? F1", "this help"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z", "suspend"),
    ("q Ctrl-C", "quit"),
];

const MARKS: [(&str, &str); 7] = [
    ("-", "not known; the line at the bottom and the detail pane say why"),
    ("~", "near the truth; the detail pane says what is missing or added"),
    ("> + x", "the selected VM, one that came just now, one that is gone"),
    ("K M G", "memory in powers of 1024; counts (k M) in powers of 1000"),
    ("suffered", "STALL: what a VM's threads sit through"),
    ("caused", "CAUSE: reclaim that a VM's threads set off"),
    ("taken", "TAKEN: pages that anybody's reclaim took from it"),
];

/// Columns of keys and titles.
const KEY: usize = 15;
/// Narrower than this, what a key does stands below it.
const NARROW: usize = 40;

pub(super) fn draw(buffer: &mut Buffer, screen: Rect, state: &State, scroll: usize) {
    let lines = lines(usize::from(screen.width), state.color);
    let room = usize::from(screen.height).saturating_sub(1);
    let scroll = scroll.min(lines.len().saturating_sub(room));
    for (y, line) in lines.iter().skip(scroll).take(room).enumerate() {
        put(buffer, screen, y, line);
    }
    let more = if lines.len() > room { "↑↓ scroll  " } else { "" };
    let way_out = toned(format!("{more}Esc leaves the help"), Tone::Dim, state.color);
    put(buffer, screen, room, &Line::from(way_out));
}

/// The furthest line that the help can begin with, on a screen of this size.
pub(in crate::tui) fn scroll_limit(size: (u16, u16)) -> usize {
    let room = usize::from(size.1).saturating_sub(1);
    lines(usize::from(size.0), false).len().saturating_sub(room)
}

fn lines(width: usize, color: bool) -> Vec<Line<'static>> {
    let head = |title: &str| Line::from(toned(title, Tone::Strong, color));
    let mut lines = vec![head("memtrace top: who suffers, who causes, whose pages are taken")];
    lines.extend(KEYS.iter().flat_map(|(key, does)| entry(key, does, width, color)));
    lines.push(Line::default());
    lines.push(head("Columns (wider terminals show more)"));
    for column in columns::all() {
        lines.extend(entry(column.title, column.help, width, color));
    }
    lines.push(Line::default());
    lines.push(head("Marks and words"));
    lines.extend(MARKS.iter().flat_map(|(mark, means)| entry(mark, means, width, color)));
    lines
}

/// A key and what it does, on as many lines as that takes.
fn entry(key: &str, does: &str, width: usize, color: bool) -> Vec<Line<'static>> {
    if width < NARROW {
        let key = Line::from(toned(format!(" {key}"), Tone::Strong, color));
        let below = text::wrap(does, width.saturating_sub(3).max(1));
        return std::iter::once(key)
            .chain(below.into_iter().map(|words| Line::from(format!("   {words}"))))
            .collect();
    }
    let mut keys = std::iter::once(key).chain(std::iter::repeat(""));
    let line = |words: String| {
        let key = text::left(keys.next().unwrap_or_default(), KEY);
        Line::from(vec![toned(format!(" {key}"), Tone::Strong, color), words.into()])
    };
    text::wrap(does, width - KEY - 1).into_iter().map(line).collect()
}
