//! The explain pane: what would be done to the selected VM and why, and the same of the host.
//! The text is that of `memtrace explain`.

use ratatui::text::Line;

use super::text_pane::wrapped;
use crate::emphasis::Emphasis;
use crate::export::reaction::{Said, said};
use crate::summary::{self, in_a_line};
use crate::tui::state::State;
use memtrace_core::reactor::{Author, Decided, Report};

pub(super) fn caption(state: &State) -> String {
    let name = state.selected_vm().map_or("", |vm| vm.name.as_str());
    format!("{name}: why memtrace acts or doesn't")
}

pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let report = match &state.decided {
        Decided::Not(reason) => {
            return wrapped(" ", &in_a_line(reason), Emphasis::Plain, width, state.color);
        }
        Decided::Report(report) => report,
    };
    let Some(vm) = state.selected_vm() else { return Vec::new() };
    let mut all = vec![Said { mark: "", text: standing(report, state), emphasis: Emphasis::Plain }];
    all.extend(said(&vm.name, report.thought(Some(vm.id)), report.decision(vm.id)));
    all.extend(said("host", report.thought(None), None));
    all.iter()
        .flat_map(|Said { mark, text, emphasis }| {
            wrapped(mark, text, *emphasis, width, state.color)
        })
        .collect()
}

/// The subject, the time, and the host's state.
fn standing(report: &Report, state: &State) -> String {
    let at = summary::local_time(report.at, &state.zone, "%H:%M:%S");
    let mode = report.reaction.mode.word();
    let host = summary::state(report.reaction.decisions.state);
    let by = summary::author(report.author).map_or(String::new(), |by| format!(" {by}"));
    let kept = match report.author {
        Author::Ourselves => "",
        // Unchanged thoughts are noted once a minute.
        Author::Another { .. } => "; numbers are up to a minute old",
    };
    format!("decided at {at}{by} ({mode}): the host is {host}{kept}")
}
