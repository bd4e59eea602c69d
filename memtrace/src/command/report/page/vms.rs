//! A lane per VM, and the table of the most stalled VMs. Pure.

use anyhow::Result;
use maud::{Markup, html};

use super::context::Page;
use crate::command::report::account::Account;
use crate::command::report::plot::{self, Curve, Ink};
use crate::command::report::words::{bytes, cell, count, name, percent};
use memtrace_core::format::{seconds, several, span};

/// Most lanes, and most rows.
const LANES: usize = 40;
const ROWS: usize = 25;

pub(super) fn lanes(page: &Page<'_>) -> Result<Markup> {
    let vms = &page.report.vms;
    let high = |line: fn(&Account) -> Option<f32>, least: f64| {
        let all = vms.iter().filter_map(|(_, account)| line(account)).map(f64::from);
        all.filter(|value| value.is_finite()).fold(least, f64::max)
    };
    // The same for all, so that lanes can be compared.
    let stall_high = high(|account| account.stall_line.most(), 1.0);
    let swap_high = high(|account| account.swap_line.most(), 1_048_576.0);
    let loud: Vec<&Account> =
        vms.iter().map(|(_, account)| account).filter(|account| !account.is_quiet()).collect();
    let mut drawn = Vec::new();
    for account in loud.iter().take(LANES) {
        drawn.push(lane(page, account, stall_high, swap_high)?);
    }
    let quiet = vms.len().saturating_sub(loud.len());
    let more = loud.len().saturating_sub(LANES);
    Ok(html! {
        h2 { "VMs" }
        @if !drawn.is_empty() {
            p.faint {
                "Most stalled VMs first. "
                i.key.orange {} "share of time stalled on memory (full height of the lanes is "
                (percent(stall_high)) "; over 100 % where several threads stall) "
                i.key.blue {} "swap-in (up to " (bytes(swap_high)) "/s)"
            }
            @for lane in drawn { (lane) }
            (page.axis())
        }
        @if more > 0 { p { "and " (more) " more VMs with shorter stalls" } }
        @if quiet > 0 {
            p {
                @if loud.is_empty() { (several(quiet as u64, "quiet VM")) ", no others" }
                @else if quiet == 1 { "and 1 more quiet VM" }
                @else { "and " (quiet) " more quiet VMs" }
                ": no known stalls or swap-ins."
            }
        }
        @if vms.is_empty() { p { "No VMs." } }
    })
}

fn lane(page: &Page<'_>, account: &Account, stalls: f64, swaps: f64) -> Result<Markup> {
    let curves = [
        Curve {
            series: &account.stall_line,
            ink: Ink::Orange,
            filled: true,
            pick: |bucket| bucket.most,
            high: stalls,
        },
        Curve {
            series: &account.swap_line,
            ink: Ink::Blue,
            filled: false,
            pick: |bucket| bucket.most,
            high: swaps,
        },
    ];
    let marks = [&account.decisions, &account.alerts];
    let name = name(&account.name);
    let label = format!("{name}: stalls and swap-ins over time");
    let svg = plot::curves(&label, plot::LANE, page.report.line, &curves, marks)?;
    Ok(html! {
        figure.lane {
            div.head {
                b { (name) }
                span.faint {
                    @if let Some(waited) = account.stalled.amount() { "stalled " (seconds(waited)) }
                    @else { "stalls unknown" }
                    @if let Some(swapped) = account.swap_in.amount() {
                        ", swap-in " (bytes(swapped))
                    } @else { ", swap-in unknown" }
                }
            }
            (svg)
        }
    })
}

pub(super) fn sufferers(page: &Page<'_>) -> Markup {
    let suffered = |account: &&Account| {
        let (waited, swapped) = account.suffering();
        waited > 0.0 || swapped > 0.0
    };
    let rows: Vec<&Account> =
        page.report.vms.iter().map(|(_, account)| account).filter(suffered).take(ROWS).collect();
    html! {
        h2 { "Most stalled VMs" }
        @if rows.is_empty() { p { "No VM with known stalls or swap-ins." } }
        @else {
            div.scroll { table {
                tr {
                    th.name { "VM" } th.n { "seen for" } th.n { "stalled" } th.n { "of its time" }
                    th.n { "maximum" } th.n { "swap-in" } th.n { "swap-out" }
                    th.n { "pages lost" } th.n { "reclaim p99" } th.n { "async. fault p99" }
                    th.n { "swap-in p99" } th.n { "OOM kills" }
                }
                @for account in rows { (row(account)) }
            } }
        }
    }
}

fn row(account: &Account) -> Markup {
    let stalled = &account.stalled;
    let worst = account.stall_line.most().map(|most| percent(f64::from(most)));
    let p99 = |waits: &crate::command::report::account::Waits| {
        let none = (waits.count() == Some(0)).then(|| "none".to_owned());
        cell(waits.quantile(0.99).map(span).or(none), waits.because.as_deref())
    };
    html! {
        tr {
            td.name { (name(&account.name)) }
            td.n { (seconds(account.seconds)) }
            (cell(stalled.amount().map(seconds), stalled.because()))
            (cell(stalled.mean().map(|share| percent(share * 100.0)), stalled.because()))
            (cell(worst, stalled.because()))
            (cell(account.swap_in.amount().map(bytes), account.swap_in.because()))
            (cell(account.swap_out.amount().map(bytes), account.swap_out.because()))
            (cell(account.taken.amount().map(count), account.taken.because()))
            (p99(&account.reclaim))
            (p99(&account.async_fault))
            (p99(&account.swap_wait))
            (cell(account.oom_kills.map(|kills| kills.to_string()), None))
        }
    }
}
