//! Reclaim attribution: causes, and the matrix of causing and losing parties. Pure.

use maud::{Markup, html};

use super::context::Page;
use crate::command::report::account::Account;
use crate::command::report::heat::Heat;
use crate::command::report::words::{cell, count, name, percent, said};

const ROWS: usize = 15;

pub(super) fn causers(page: &Page<'_>) -> Markup {
    let caused = |account: &Account| account.caused.amount().unwrap_or(0.0);
    let vms = page.report.vms.iter().map(|(_, account)| account);
    let mut rows: Vec<&Account> = vms.filter(|account| caused(account) > 0.0).collect();
    rows.sort_by(|one, other| caused(other).total_cmp(&caused(one)));
    let sum: f64 = rows.iter().map(|account| caused(account)).sum();
    html! {
        h2 { "VMs that caused most reclaim" }
        @if rows.is_empty() { p { "No reclaim by VMs' threads." } }
        @else {
            div.scroll { table {
                tr {
                    th.name { "VM" } th.n { "pages reclaimed by its threads" } th.n { "share of all VMs" }
                    th.n { "pages lost" }
                }
                @for account in rows.iter().take(ROWS) {
                    tr {
                        td.name { (name(&account.name)) }
                        (cell(account.caused.amount().map(count), None))
                        td.n { (percent(caused(account) / sum * 100.0)) }
                        (cell(account.taken.amount().map(count), account.taken.because()))
                    }
                }
            } }
            @let more = rows.len().saturating_sub(ROWS);
            @if more > 0 { p { "and " (more) " more VMs with fewer pages" } }
        }
    }
}

pub(super) fn map(page: &Page<'_>) -> Markup {
    html! {
        h2 { "Reclaim attribution" }
        @match page.report.flows.heat() {
            Err(why) => p { "Unknown: " (said(why)) "." },
            Ok(heat) if heat.cells.is_empty() => p { "No pages reclaimed from or by VMs." },
            Ok(heat) => (table(page, &heat)),
        }
    }
}

fn table(page: &Page<'_>, heat: &Heat) -> Markup {
    let most = heat.cells.iter().flatten().copied().fold(1.0, f64::max);
    // By the square root, so that small ones are visible next to large ones.
    let share = |pages: f64| format!("--share: {:.2}", (pages / most).sqrt() * 0.85);
    html! {
        p.faint { "Pages reclaimed. Rows: reclaiming party. Columns: party that lost the pages." }
        div.scroll { table.heat {
            tr {
                th {}
                @for victim in &heat.victims { th.n { (page.party(*victim)) } }
            }
            @for (causer, cells) in heat.causers.iter().zip(&heat.cells) {
                tr {
                    th.name { (page.party(*causer)) }
                    @for pages in cells { td.n style=(share(*pages)) { (count(*pages)) } }
                }
            }
        } }
    }
}
