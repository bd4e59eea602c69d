//! The page: one HTML document that asks nobody for anything. Pure. Text from outside is
//! escaped by the templates, and cleaned of what isn't fit for a screen before.

mod actions;
mod attribution;
mod host;
mod signals;
mod vms;

use anyhow::Result;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gather::Report;
use super::words::{bytes, clock, name, said, seconds, several, time, zone_of};
use memtrace_core::sample::{Party, VmId};
use memtrace_core::units::{Nanos, WallNanos};

const STYLE: &str = include_str!("style.css");
/// So many gaps and losses are listed before the rest is a number.
const SHORT_LIST: usize = 20;

/// What goes with a report.
pub struct Around<'a> {
    /// What was read, as it was typed.
    pub source: &'a str,
    /// What could not be read of it.
    pub losses: &'a [String],
    /// That times are told in.
    pub zone: &'a TimeZone,
}

/// The parts' view of it.
struct Page<'a> {
    report: &'a Report,
    around: &'a Around<'a>,
}

/// The document.
///
/// # Errors
/// When a plot can't be drawn.
pub fn page(report: &Report, around: &Around<'_>) -> Result<String> {
    let page = Page { report, around };
    let title = format!("memtrace: {}", page.hosts());
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (page.header())
                (page.recorded())
                (host::pressure(&page)?)
                (vms::lanes(&page)?)
                (vms::sufferers(&page))
                (attribution::causers(&page))
                (attribution::map(&page))
                (host::waits(&page)?)
                (host::minutes(&page))
                (actions::decisions(&page))
                (actions::alerts(&page))
                (signals::signals(&page))
                p.faint { "Made by memtrace " (env!("CARGO_PKG_VERSION")) " of " (said(around.source)) "." }
            }
        }
    };
    Ok(document.into_string())
}

impl Page<'_> {
    fn hosts(&self) -> String {
        let hosts: Vec<String> = self.report.hosts.iter().map(|host| name(host)).collect();
        if hosts.is_empty() { "a host without a name".to_owned() } else { hosts.join(", ") }
    }

    fn time(&self, at: WallNanos) -> String {
        time(at, self.around.zone)
    }

    fn clock(&self, at: WallNanos) -> String {
        clock(at, self.report.line.begin, self.around.zone)
    }

    fn vm(&self, id: VmId) -> String {
        let known = self.report.vms.iter().find(|(known, _)| *known == id);
        known.map_or_else(|| id.to_string(), |(_, account)| name(&account.name))
    }

    fn party(&self, party: Option<Party>) -> String {
        match party {
            Some(Party::Vm(id)) => self.vm(id),
            Some(Party::Kswapd) => "kswapd".to_owned(),
            Some(Party::Other) => "no VM".to_owned(),
            None => "all others".to_owned(),
        }
    }

    /// Beneath a plot: begin, middle and end.
    fn axis(&self) -> Markup {
        let line = self.report.line;
        let middle = WallNanos(line.begin.0.midpoint(line.end.0));
        html! {
            div.axis { @for at in [line.begin, middle, line.end] { span { (self.clock(at)) } } }
        }
    }

    fn header(&self) -> Markup {
        let line = self.report.line;
        html! {
            h1 { "Memory pressure on " (self.hosts()) }
            p.faint {
                (self.time(line.begin)) " to " (self.time(line.end)) " "
                (zone_of(line.end, self.around.zone))
            }
        }
    }

    /// What there is, and what is missing.
    fn recorded(&self) -> Markup {
        let report = self.report;
        let length = Nanos(report.line.end.0.saturating_sub(report.line.begin.0));
        let [acted, observed, neither] = report.deeds.moments;
        let known = |value: Option<f64>| value.map_or_else(|| "not known".to_owned(), bytes);
        let host = &report.host;
        html! {
            h2 { "What was recorded" }
            dl {
                dt { "Time" }
                dd {
                    (seconds(length.seconds())) ", of which " (seconds(report.seconds))
                    " between moments that can be compared"
                }
                dt { "Moments" } dd { (report.moments) }
                dt { "VMs" }
                dd {
                    (report.vms.len())
                    @if report.vms_left_out > 0 {
                        ", and more than there was room for: quiet ones that are gone were left out"
                    }
                }
                dt { "Host" }
                dd {
                    "Linux " (said(host.kernel.as_deref().unwrap_or("of an unknown version"))) ", "
                    @if let Some(cpus) = host.cpus { (several(cpus.into(), "CPU")) }
                    @else { "CPUs not known" }
                }
                dt { "Memory" }
                dd {
                    (known(host.memory_total.value.map(|bytes| bytes.0 as f64)))
                    @if let Some(overcommit) = host.overcommit.value {
                        ", given to VMs " (format!("{overcommit:.2}")) " times"
                    }
                }
                @if let Some((cgroup, limit)) = &report.scope {
                    dt { "Scope" }
                    dd {
                        "the cgroup " (said(cgroup)) ", at most "
                        (known(limit.map(|bytes| bytes.0 as f64)))
                    }
                }
                dt { "Swap" }
                dd {
                    (known(host.swap_total.value.map(|bytes| bytes.0 as f64)))
                    @for swap in host.swaps.iter().take(8) { ", " (said(&swap.path)) }
                }
                dt { "Decisions" }
                dd {
                    @if acted + observed == 0 { "nothing decided while this was recorded" }
                    @else {
                        "mode enforce in " (acted) " moments, observe in " (observed)
                        ", nothing decided in " (neither)
                    }
                }
            }
            (self.missing())
        }
    }

    fn missing(&self) -> Markup {
        let (report, losses) = (self.report, self.around.losses);
        let more = |all: usize| all.saturating_sub(SHORT_LIST);
        html! {
            @if losses.is_empty() { p { "Everything in the files could be read." } }
            @else {
                p.bad { (several(losses.len() as u64, "part")) " of the files could not be read:" }
                ul {
                    @for loss in losses.iter().take(SHORT_LIST) { li { (said(loss)) } }
                    @if more(losses.len()) > 0 { li { "and " (more(losses.len())) " more" } }
                }
            }
            @if report.all_gaps == 0 { p { "There is no gap in time." } }
            @else {
                p.bad { (several(report.all_gaps, "gap")) " in time, which plots leave empty:" }
                ul {
                    @for (from, to) in report.gaps.iter().take(SHORT_LIST) {
                        li {
                            (self.time(*from)) " to " (self.time(*to)) " ("
                            (seconds(Nanos(to.0.saturating_sub(from.0)).seconds())) ")"
                        }
                    }
                    @let rest = report.all_gaps.saturating_sub(SHORT_LIST as u64);
                    @if rest > 0 { li { "and " (rest) " more" } }
                }
            }
            @if let Some(lost) = report.host.losses.value.filter(|lost| lost.any()) {
                p.bad {
                    "The kernel side lost, since memtrace had started: "
                    (lost.events) " events, " (lost.slots) " VMs without room, " (lost.stalls)
                    " stalls, " (lost.async_faults) " asynchronous faults, " (lost.flow_pages)
                    " pages of flows, " (lost.failed_reads) " failed reads"
                    @if let Some(runs) = lost.missed_runs { ", " (runs) " runs of programs" }
                    ". Numbers that this could shift by more than 1 % say that they are approximate."
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
