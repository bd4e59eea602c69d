//! Decisions and alerts. Pure.

use maud::{Markup, html};

use super::Page;
use crate::command::report::actions::Deed;
use crate::command::report::words::{bytes, name, said};
use memtrace_core::policy::Action;
use memtrace_core::reactor::Fate;

/// Number of rows shown; the rest is folded.
const OPEN: usize = 20;

pub(super) fn decisions(page: &Page<'_>) -> Markup {
    let deeds = &page.report.deeds;
    let [acted, observed, _] = deeds.moments;
    let decided = deeds.tally.all().decisions;
    let (open, folded) = deeds.listed.split_at(OPEN.min(deeds.listed.len()));
    let more = decided.saturating_sub(deeds.listed.len() as u64);
    html! {
        h2 { "Decisions" }
        @if acted + observed == 0 { p { "No policy was running." } }
        @else if decided == 0 { p { "No decisions." } }
        @else {
            @if acted == 0 { p { "None was carried out (observe mode)." } }
            div.scroll { table {
                tr { th { "Action" } th { "Rule" } th.n { "decisions" } th.n { "memory" } }
                @for (kind, count) in deeds.tally.kinds() {
                    tr {
                        td { (kind.action) } td { (said(&kind.rule)) }
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

fn list(page: &Page<'_>, deeds: &[Deed]) -> Markup {
    html! {
        div.scroll { table {
            tr {
                th { "Time" } th.name { "VM" } th { "Action" } th { "Rule" } th { "Outcome" }
                th { "Reason" }
            }
            @for deed in deeds {
                tr {
                    td.t { (page.clock(deed.at)) }
                    td.name { (name(&deed.name)) }
                    td.t { (action(deed.action)) }
                    td { (said(&deed.rule)) }
                    td { (fate(deed.fate.as_ref())) }
                    td.words { (said(&deed.because)) }
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
        Some(Fate::Failed(why)) => format!("failed: {}", said(why)),
    }
}

pub(super) fn alerts(page: &Page<'_>) -> Markup {
    let deeds = &page.report.deeds;
    let (open, folded) = deeds.spells.split_at(OPEN.min(deeds.spells.len()));
    let more = deeds.alerted.saturating_sub(deeds.spells.len() as u64);
    let list = |spells: &[crate::command::report::actions::Spell]| {
        html! {
            div.scroll { table {
                tr { th { "From" } th { "To" } th { "Alert" } th.name { "Subject" } th { "Text" } }
                @for spell in spells {
                    tr {
                        td.t { (page.clock(spell.since)) }
                        td.t {
                            @if let Some(until) = spell.until { (page.clock(until)) }
                            @else { "the end" }
                        }
                        td { (spell.rule) " (" (spell.severity.word()) ")" }
                        td.name { @if let Some(who) = &spell.name { (name(who)) } @else { "the host" } }
                        td.words { (said(&spell.text)) }
                    }
                }
            } }
        }
    };
    html! {
        h2 { "Alerts" }
        @if deeds.alerted == 0 { p { "No alerts by the rules of this report." } }
        @else {
            p {
                @for (index, (rule, count)) in deeds.alerts.iter().enumerate() {
                    @if index > 0 { ", " }
                    (rule) " " (count)
                }
            }
            (list(open))
            @if !folded.is_empty() { details { summary { (folded.len()) " more" } (list(folded)) } }
            @if more > 0 { p { "and " (more) " later ones, not listed" } }
        }
    }
}
