//! Signals and their quality. Pure.

use maud::{Markup, html};

use super::context::Page;
use crate::command::report::signals::Trust;
use crate::command::report::words::{percent, said};

pub(super) fn signals(page: &Page<'_>) -> Markup {
    let signals = &page.report.signals;
    html! {
        h2 { "Signals and their quality" }
        @if signals.all.is_empty() { p { "No signals in the recording." } }
        @else {
            div.scroll { table {
                tr { th { "Signal" } th { "Quality" } th { "Source" } th { "Reason" } }
                @for (signal, trust) in &signals.all {
                    tr {
                        td { (signal.title()) }
                        td { (quality(trust)) }
                        td { (said(trust.source.as_deref().unwrap_or("-"))) }
                        td.words { (said(trust.because.as_deref().unwrap_or_default())) }
                    }
                }
            } }
        }
        @if !signals.notices.is_empty() {
            p { "Notices, with the number of samples:" }
            ul {
                @for ((about, text), count) in &signals.notices {
                    li { (said(about)) ": " (said(text)) " (" (count) ")" }
                }
                @if signals.more_notices > 0 { li { "and others" } }
            }
        }
    }
}

/// One word, or the share of time of each.
fn quality(trust: &Trust) -> String {
    let all: u64 = trust.moments.iter().fold(0, |sum, count| sum.saturating_add(*count));
    let words = ["exact", "approximate", "absent"];
    let there = words.into_iter().zip(trust.moments).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = there
        .map(|(word, count)| match count == all {
            true => word.to_owned(),
            false => format!("{word} {}", percent(count as f64 / all as f64 * 100.0)),
        })
        .collect();
    parts.join(", ")
}
