//! The threads of the VM, the busiest first.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use crate::columns::marked;
use crate::emphasis::Emphasis;
use crate::tui::view::line::styled;
use memtrace_core::format;
use memtrace_core::model::snapshot::ThreadView;
use memtrace_core::text;

const NAME: usize = 16;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let Some(threads) = &subject.vm.threads else {
        let why = if subject.state.from.is_some() {
            "not in the samples of another memtrace; --attach measures"
        } else {
            "available after the next sample"
        };
        return field::sentence(subject, why);
    };
    if threads.is_empty() {
        return field::sentence(subject, "none could be read");
    }
    let mut threads: Vec<&ThreadView> = threads.iter().collect();
    let cpu = |thread: &ThreadView| thread.cpu.value.map_or(-1.0, |share| share.0);
    threads.sort_by(|a, b| cpu(b).total_cmp(&cpu(a)).then_with(|| a.tid.cmp(&b.tid)));
    let head = format!("  {:>8} S {:>6} {:>6} {:>6} {}", "TID", "CPU", "MIN/s", "MAJ/s", "NAME");
    let mut lines = vec![Line::from(styled(head, Emphasis::Dim, subject.state.color))];
    lines.extend(threads.into_iter().map(line));
    lines
}

fn line(thread: &ThreadView) -> Line<'static> {
    let cpu = marked(&thread.cpu, 6, format::percent);
    let minor = marked(&thread.minor_faults, 6, format::rate);
    let major = marked(&thread.major_faults, 6, format::rate);
    let name = text::left(&text::clean(&thread.name), NAME);
    let state = if thread.state.is_control() { '?' } else { thread.state };
    Line::from(format!("  {:>8} {state} {cpu:>6} {minor:>6} {major:>6} {name}", thread.tid))
}
