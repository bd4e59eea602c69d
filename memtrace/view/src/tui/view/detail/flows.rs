//! Reclaim flows: pages reclaimed from this VM, and by it from others.

use ratatui::text::Line;

use super::field;
use super::subject::Subject;
use memtrace_core::format;
use memtrace_core::model::snapshot::FlowView;
use memtrace_core::sample::Party;
use memtrace_core::text;

/// Columns of everything but the two names.
const AROUND: usize = 33;

pub(super) fn lines(subject: &Subject<'_>) -> Vec<Line<'static>> {
    let flows = &subject.snapshot.flows;
    let Some(all) = &flows.value else {
        let reason = flows.quality.reason().unwrap_or_default();
        return field::sentence(subject, &format!("absent: {reason}"));
    };
    let me = Party::Vm(subject.vm.id);
    let touching: Vec<_> =
        all.iter().filter(|flow| flow.causer == me || flow.victim == me).collect();
    let mut lines = if touching.is_empty() {
        field::sentence(subject, "no pages reclaimed from or by this VM")
    } else {
        touching.into_iter().map(|flow| line(subject, flow)).collect()
    };
    if let Some(reason) = flows.quality.reason() {
        lines.extend(field::sentence(subject, &format!("approximate: {reason}")));
    }
    lines
}

fn line(subject: &Subject<'_>, flow: &FlowView) -> Line<'static> {
    let room = (subject.width.saturating_sub(AROUND) / 2).clamp(8, 24);
    let [causer, victim] =
        [flow.causer, flow.victim].map(|party| text::left(&name(subject, party), room));
    let rate = format::rate(flow.pages, 5);
    let total = format::count(flow.total_pages as f64, 5);
    Line::from(format!("  {causer} → {victim} {rate:>5} pages/s {total:>6} total"))
}

fn name(subject: &Subject<'_>, party: Party) -> String {
    match party {
        Party::Kswapd => "kswapd".to_owned(),
        Party::Other => "other processes".to_owned(),
        Party::Vm(id) if id == subject.vm.id => "this VM".to_owned(),
        Party::Vm(id) => {
            let known = subject.snapshot.vms.iter().find(|vm| vm.id == id);
            known.map_or_else(|| format!("{id} (gone)"), |vm| text::clean(&vm.name).into_owned())
        }
    }
}
