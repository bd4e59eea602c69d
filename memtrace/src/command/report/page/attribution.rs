//! Who caused most, and who took from whom. Pure.

use maud::{Markup, html};

use super::Page;
use crate::command::report::account::Account;
use crate::command::report::heat::Heat;
use crate::command::report::words::{cell, count, name, percent};

const ROWS: usize = 15;

pub(super) fn causers(page: &Page<'_>) -> Markup {
    let caused = |account: &Account| account.caused.amount().unwrap_or(0.0);
    let vms = page.report.vms.iter().map(|(_, account)| account);
    let mut rows: Vec<&Account> = vms.filter(|account| caused(account) > 0.0).collect();
    rows.sort_by(|one, other| caused(other).total_cmp(&caused(one)));
    let sum: f64 = rows.iter().map(|account| caused(account)).sum();
    html! {
        h2 { "Who caused most" }
        @if rows.is_empty() { p { "No VM's threads are known to have taken pages." } }
        @else {
            div.scroll { table {
                tr {
                    th.name { "VM" } th.n { "pages that its threads took" } th.n { "of all VMs'" }
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
            @if more > 0 { p { "and " (more) " more VMs that took fewer" } }
        }
    }
}

pub(super) fn map(page: &Page<'_>) -> Markup {
    html! {
        h2 { "Who took from whom" }
        @match page.report.flows.heat() {
            Err(why) => p { "Not known: " (super::said(why)) "." },
            Ok(heat) if heat.cells.is_empty() => p { "Nobody took a page from a VM, or for one." },
            Ok(heat) => (table(page, &heat)),
        }
    }
}

fn table(page: &Page<'_>, heat: &Heat) -> Markup {
    let most = heat.cells.iter().flatten().copied().fold(1.0, f64::max);
    // By the root, so that small ones are seen beside large ones.
    let share = |pages: f64| format!("--share: {:.2}", (pages / most).sqrt() * 0.85);
    html! {
        p.faint { "Pages that reclaim took. Rows: in whose reclaim. Columns: whose pages." }
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
