//! Decisions and alerts. Pure.

use maud::{Markup, html};

use super::context::Page;
use crate::command::report::actions::ActionEntry;
use crate::command::report::words::{bytes, name, said};
use memtrace_core::policy::Action;
use memtrace_core::reactor::Fate;
use memtrace_view::words;

/// Number of rows shown; the rest is folded.
const OPEN: usize = 20;

pub(super) fn decisions(page: &Page<'_>) -> Markup {
    let actions = &page.report.actions;
    let [acted, observed, _] = actions.moments;
    let decided = actions.tally.all().decisions;
    let (open, folded) = actions.listed.split_at(OPEN.min(actions.listed.len()));
    let more = decided.saturating_sub(actions.listed.len() as u64);
    html! {
        h2 { "Decisions" }
        @if acted + observed == 0 { p { "No policy was running." } }
        @else if decided == 0 { p { "No decisions." } }
        @else {
            @if acted == 0 { p { "None was carried out (observe mode)." } }
            div.scroll { table {
                tr { th { "Action" } th { "Rule" } th.n { "decisions" } th.n { "memory" } }
                @for (kind, count) in actions.tally.kinds() {
                    tr {
                        td { (kind.action) } td { (words::rule(kind.rule)) }
                        td.n { (count.decisions) } td.n { (bytes(count.bytes as f64)) }
                    }
                }
            } }
            (list(page, open))
            @if !folded.is_empty() {
                details { summary { (folded.len()) " more" } (list(page, folded)) }
            }
            @if more > 0 { p { "and " (more) " later ones, not listed" } }
        }
    }
}

fn list(page: &Page<'_>, actions: &[ActionEntry]) -> Markup {
    html! {
        div.scroll { table {
            tr {
                th { "Time" } th.name { "VM" } th { "Action" } th { "Rule" } th { "Outcome" }
                th { "Reason" }
            }
            @for done in actions {
                tr {
                    td.t { (page.clock(done.at)) }
                    td.name { (name(&done.name)) }
                    td.t { (action(done.action)) }
                    td { (words::rule(done.rule)) }
                    td { (fate(done.fate.as_ref())) }
                    td.words { (said(&done.because)) }
                }
            }
        } }
    }
}

fn action(action: Action) -> String {
    match action {
        Action::Balloon { from, to } => {
            format!("{} → {}", bytes(from.0 as f64), bytes(to.0 as f64))
        }
        Action::Reclaim { bytes: amount } => format!("reclaim {}", bytes(amount.0 as f64)),
    }
}

fn fate(fate: Option<&Fate>) -> String {
    match fate {
        None => "not recorded".to_owned(),
        Some(Fate::Observed) => "observed".to_owned(),
        Some(Fate::InFlight) => "no answer".to_owned(),
        Some(Fate::Done) => "done".to_owned(),
        Some(Fate::Failed(why)) => format!("failed: {}", said(&words::failure(why))),
    }
}

pub(super) fn alerts(page: &Page<'_>) -> Markup {
    let actions = &page.report.actions;
    let (open, folded) = actions.periods.split_at(OPEN.min(actions.periods.len()));
    let more = actions.alerted.saturating_sub(actions.periods.len() as u64);
    let list = |periods: &[crate::command::report::actions::AlertPeriod]| {
        html! {
            div.scroll { table {
                tr { th { "From" } th { "To" } th { "Alert" } th.name { "Subject" } th { "Text" } }
                @for period in periods {
                    tr {
                        td.t { (page.clock(period.since)) }
                        td.t {
                            @if let Some(until) = period.until { (page.clock(until)) }
                            @else { "the end" }
                        }
                        td { (period.condition.name()) " (" (period.severity.word()) ")" }
                        td.name { @if let Some(who) = &period.name { (name(who)) } @else { "the host" } }
                        td.words { (said(&period.text)) }
                    }
                }
            } }
        }
    };
    html! {
        h2 { "Alerts" }
        @if actions.alerted == 0 { p { "No alerts by the rules of this report." } }
        @else {
            p {
                @for (index, (condition, count)) in actions.alerts.iter().enumerate() {
                    @if index > 0 { ", " }
                    (condition.name()) " " (count)
                }
            }
            (list(open))
            @if !folded.is_empty() { details { summary { (folded.len()) " more" } (list(folded)) } }
            @if more > 0 { p { "and " (more) " later ones, not listed" } }
        }
    }
}
