//! The host over time, wait times of all VMs, and the worst minutes. Pure.

use std::collections::BTreeMap;

use anyhow::Result;
use maud::{Markup, html};
use memtrace_ebpf::bucket_range_ns;

use super::context::Page;
use crate::command::report::account::Waits;
use crate::command::report::plot::{self, Curve, Ink};
use crate::command::report::series::{Bucket, Series};
use crate::command::report::words::{bytes, cell, name, percent, said};
use memtrace_core::format::{seconds, several, span};
use memtrace_core::units::{Bytes, Nanos};

type Names = [(&'static str, &'static str); 2];

/// A plot of the host.
struct Plot<'a> {
    title: &'static str,
    names: Names,
    curves: Vec<Curve<'a>>,
    high: String,
    /// Why there are no data.
    because: Option<String>,
}

pub(super) fn pressure(page: &Page<'_>) -> Result<Markup> {
    let (report, all) = (page.report, &page.report.pressure);
    let mut drawn = Vec::new();
    let plots = [Some(memory(page)), scope(page), Some(psi(page)), Some(swapping(page))];
    for plot in plots.into_iter().flatten() {
        let Plot { title, names, curves, high, because } = plot;
        let is_empty = curves.iter().all(|curve| curve.series.buckets().is_empty());
        let marks = [&all.decisions, &all.alerts];
        let svg = plot::curves(title, plot::HOST, report.line, &curves, marks)?;
        drawn.push(html! {
            figure {
                div.head {
                    b { (title) }
                    span.faint {
                        @for (colour, name) in names.iter().filter(|(_, name)| !name.is_empty()) {
                            i.key.(colour) {} (name)
                        }
                    }
                }
                @if is_empty { p { "Unknown: " (because.unwrap_or_default()) "." } }
                @else { div.axis { span { (high) } } (svg) (page.axis()) }
            }
        });
    }
    Ok(html! {
        h2 { "The host" }
        p.faint {
            "Each point is the worst value of " (span(report.line.width)) ". Vertical lines: "
            i.key.purple {} "decisions, " i.key.red {} "starts of alerts. Unknown values "
            "are gaps."
        }
        @for figure in drawn { (figure) }
    })
}

fn memory<'a>(page: &Page<'a>) -> Plot<'a> {
    let host = &page.report.host;
    let series = &page.report.pressure.available;
    available("Available memory", host.memory_total.value, series, || {
        why(&host.memory_available.quality)
    })
}

fn available<'a>(
    title: &'static str,
    total: Option<Bytes>,
    series: &'a Series,
    because: impl Fn() -> Option<String>,
) -> Plot<'a> {
    let total = total.map(|total| total.0 as f64);
    let high = total.or(series.most().map(f64::from)).unwrap_or(1.0).max(1.0);
    let pick = |bucket: &Bucket| bucket.least;
    let least = series.least().map(f64::from);
    let least = least.map(|least| format!("; least {}", bytes(least))).unwrap_or_default();
    Plot {
        title,
        names: [("blue", "available"), ("", "")],
        curves: vec![Curve { series, ink: Ink::Blue, filled: true, pick, high }],
        high: format!("{}{}{least}", bytes(high), if total.is_some() { " total" } else { "" }),
        because: because(),
    }
}

/// What the VMs share, where that isn't the host.
fn scope<'a>(page: &Page<'a>) -> Option<Plot<'a>> {
    let ((_, limit), series) = (page.report.scope.as_ref()?, &page.report.pressure.scope);
    Some(available("Available memory of the scope", *limit, series, || {
        Some("limit, usage or reclaimable memory of the scope is missing".to_owned())
    }))
}

fn psi<'a>(page: &Page<'a>) -> Plot<'a> {
    let (host, all) = (&page.report.host, &page.report.pressure);
    let high = highest(&[&all.some, &all.full], 1.0);
    Plot {
        title: "Memory pressure (PSI, 10 s average)",
        names: [("orange", "some"), ("green", "full")],
        curves: vec![
            curve(&all.some, Ink::Orange, true, high),
            curve(&all.full, Ink::Green, false, high),
        ],
        high: percent(high),
        because: why(&host.psi.quality),
    }
}

fn swapping<'a>(page: &Page<'a>) -> Plot<'a> {
    let (host, all) = (&page.report.host, &page.report.pressure);
    let high = highest(&[&all.swap_in, &all.swap_out], 1_048_576.0);
    Plot {
        title: "Swap",
        names: [("blue", "in"), ("orange", "out")],
        curves: vec![
            curve(&all.swap_in, Ink::Blue, true, high),
            curve(&all.swap_out, Ink::Orange, false, high),
        ],
        high: format!("{}/s", bytes(high)),
        because: why(&host.swap_in.quality),
    }
}

fn curve(series: &Series, ink: Ink, filled: bool, high: f64) -> Curve<'_> {
    Curve { series, ink, filled, pick: |bucket| bucket.most, high }
}

/// The highest of them, with a minimum, so that a quiet host looks quiet.
fn highest(all: &[&Series], least: f64) -> f64 {
    all.iter().filter_map(|series| series.most()).map(f64::from).fold(least, f64::max)
}

fn why(quality: &memtrace_core::signal::Quality) -> Option<String> {
    quality.reason().map(super::said)
}

/// Wait times of all VMs.
pub(super) fn waits(page: &Page<'_>) -> Result<Markup> {
    let report = page.report;
    let kinds = [
        ("Reclaim by VMs", report.waits(|account| &account.reclaim)),
        ("Asynchronous faults", report.waits(|account| &account.async_fault)),
        ("Swap-ins", report.waits(|account| &account.swap_wait)),
    ];
    let mut figures = Vec::new();
    for (title, waits) in &kinds {
        figures.push(distribution(title, waits)?);
    }
    Ok(html! {
        h2 { "Wait times" }
        p.faint { "All VMs. Each bar covers waits up to twice as long as the previous one." }
        div.three { @for figure in figures { (figure) } }
    })
}

fn distribution(title: &str, waits: &Waits) -> Result<Markup> {
    let doublings = doublings(&waits.counts);
    let most = doublings.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let shares: Vec<f64> = doublings.iter().map(|(_, count)| *count as f64 / most as f64).collect();
    let edge = |at: Option<&(u32, u64)>, more: u32| {
        let from = at.map_or(0, |(power, _)| 1_u64.checked_shl(power + more).unwrap_or(u64::MAX));
        span(Nanos(from))
    };
    let svg = plot::bars(title, &shares)?;
    let at = |share| waits.quantile(share).map(span).unwrap_or_default();
    Ok(html! {
        figure {
            div.head {
                b { (title) }
                @if let Some(count) = waits.count() { span.faint { (several(count, "wait")) } }
            }
            @match waits.count() {
                None => p {
                    "Unknown: " (said(waits.because.as_deref().unwrap_or("no VM"))) "."
                },
                Some(0) => p { "None." },
                Some(_) => {
                    (svg)
                    div.axis {
                        span { (edge(doublings.first(), 0)) }
                        span { (edge(doublings.last(), 1)) }
                    }
                    figcaption {
                        "p50 " (at(0.5)) ", p99 " (at(0.99)) ", p99.9 " (at(0.999))
                    }
                }
            }
        }
    })
}

/// Counts by power of two of nanoseconds, from the first that has one to the last.
fn doublings(counts: &[u64]) -> Vec<(u32, u64)> {
    let mut powers: BTreeMap<u32, u64> = BTreeMap::new();
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let power = bucket_range_ns(index).0.max(1).ilog2();
        let sum = powers.entry(power).or_default();
        *sum = sum.saturating_add(*count);
    }
    let (first, last) = (powers.keys().next().copied(), powers.keys().last().copied());
    let Some((first, last)) = first.zip(last) else { return Vec::new() };
    (first..=last).map(|power| (power, powers.get(&power).copied().unwrap_or(0))).collect()
}

pub(super) fn minutes(page: &Page<'_>) -> Markup {
    let minutes = &page.report.minutes;
    html! {
        h2 { "Worst minutes" }
        @if minutes.is_empty() { p { "No minute with known stalls." } }
        @else {
            div.scroll { table {
                tr {
                    th { "Minute" } th.n { "VMs stalled" } th.name { "most stalled VM" }
                    th.n { "swap-in" } th.n { "min. available" } th.n { "PSI some" }
                    th.n { "decisions" } th.n { "alerts" }
                }
                @for minute in minutes {
                    tr {
                        td.t { (page.clock(minute.begin)) }
                        (cell(minute.stalled.map(seconds), None))
                        td.name {
                            @if let Some((who, long)) = &minute.sufferer {
                                (name(who)) " (" (seconds(*long)) ")"
                            }
                        }
                        (cell(minute.swap_in.map(bytes), None))
                        (cell(minute.available.map(|least| bytes(least.0 as f64)), None))
                        (cell(minute.pressure.map(percent), None))
                        td.n { (minute.decisions) }
                        td.n { (minute.alerts) }
                    }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use memtrace_ebpf::{HISTOGRAM_BUCKETS, bucket_of};

    use super::*;

    #[test]
    fn waits_are_put_together_by_powers_of_two() {
        let mut counts = vec![0; HISTOGRAM_BUCKETS];
        for (nanos, count) in [(70_000, 3), (100_000, 4), (300_000, 5)] {
            counts[bucket_of(nanos)] += count;
        }
        assert_eq!(doublings(&counts), [(16, 7), (17, 0), (18, 5)]);
        assert_eq!(doublings(&[]), []);
    }
}
