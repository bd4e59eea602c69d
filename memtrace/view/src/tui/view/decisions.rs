//! The decisions pane: recent decisions and their outcome, newest first.

use ratatui::text::Line;

use super::text_pane::wrapped;
use crate::emphasis::Emphasis;
use crate::export::reaction::action;
use crate::summary::{self, in_a_line};
use crate::tui::state::State;
use crate::words;
use memtrace_core::reactor::{Decided, Entry, Fate, Mode};
use memtrace_core::text;

/// Columns of a time of day and what follows it.
const TIME: usize = 9;

pub(super) fn caption(state: &State) -> String {
    match &state.decided {
        Decided::Not(_) => "Decisions".to_owned(),
        Decided::Report(report) => {
            let count = report.reaction.entries.len();
            let by = summary::author(report.author).map_or(String::new(), |by| format!(" {by}"));
            let mode = match report.reaction.mode {
                Mode::Observe => "observe: nothing is changed",
                Mode::Enforce => "enforce",
            };
            format!("Decisions{by} ({mode}), newest first: {count}")
        }
    }
}

pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let said = |text: &str, emphasis| wrapped(" ", &in_a_line(text), emphasis, width, state.color);
    let reaction = match &state.decided {
        Decided::Not(reason) => return said(reason, Emphasis::Plain),
        Decided::Report(report) => &report.reaction,
    };
    let mut lines = Vec::new();
    if let Some(problem) = &reaction.problem {
        lines.extend(said(&format!("can't act: {problem}"), Emphasis::Hot));
    }
    if reaction.entries.is_empty() {
        let host = summary::state(reaction.decisions.state);
        let none = format!("none yet; host state: {host}. Press `e` on a VM for an explanation");
        lines.extend(said(&none, Emphasis::Plain));
    }
    lines.extend(reaction.entries.iter().rev().flat_map(|entry| told(entry, state, width)));
    lines
}

/// Time, VM, outcome and action; below it the reason.
fn told(entry: &Entry, state: &State, width: usize) -> Vec<Line<'static>> {
    let Entry { wall, name, decision, fate, .. } = entry;
    let time = summary::local_time(*wall, &state.zone, "%H:%M:%S");
    let (fate, emphasis) = match fate {
        Fate::Observed => ("would".to_owned(), Emphasis::Strong),
        Fate::InFlight => ("in progress:".to_owned(), Emphasis::Strong),
        Fate::Done => ("done:".to_owned(), Emphasis::Strong),
        Fate::Failed(why) => (format!("FAILED ({}):", words::failure(why)), Emphasis::Hot),
    };
    let what = action(decision.action);
    let first = format!("{name}: {fate} {what} [{}]", words::rule(decision.rule));
    let mark = text::left(&time, TIME);
    let mut lines = wrapped(&mark, &text::clean(&first), emphasis, width, state.color);
    let because = words::because(decision);
    let because = text::clean(&because);
    lines.extend(wrapped(&" ".repeat(TIME), &because, Emphasis::Plain, width, state.color));
    lines
}
