//! From two quiet moments to the table. Pure.

use anyhow::{Context as _, Result};
use memtrace_core::accuracy::table::{Row, Rule, Skipped, Table};
use memtrace_core::signal::Quality;

use super::document::{Document, Flows, Totals};
use super::kernel::KernelCounters;

/// All guests together.
const EVERYBODY: &str = "all guests";

/// Both sides' counters at a moment at which none of them moved.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub memtrace: Document,
    pub kernel: KernelCounters,
}

/// A guest as the check knows it.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    pub name: &'a str,
    pub uuid: &'a str,
}

/// How much one counter of a guest grew between the moments: ours, the kernel's.
struct Growth<'a> {
    guest: Name<'a>,
    from: Totals,
    to: Totals,
}

impl Growth<'_> {
    fn of(&self, counter: impl Fn(&Totals) -> u64) -> f64 {
        grown(counter(&self.from), counter(&self.to))
    }

    fn swapped(&self) -> f64 {
        self.of(|totals| totals.swap_out_pages) - self.of(|totals| totals.swap_in_pages)
    }

    fn reclaims(&self) -> f64 {
        self.of(|totals| totals.direct_reclaims) + self.of(|totals| totals.memcg_reclaims)
    }

    fn stalled_ms(&self) -> f64 {
        (self.of(|totals| totals.direct_reclaim_ns) + self.of(|totals| totals.memcg_reclaim_ns))
            / 1e6
    }
}

/// The table. `guests` are in the order of the kernel's counters: who cycles, who holds,
/// who idles.
///
/// # Errors
/// When memtrace doesn't show one of the guests.
pub fn table(guests: [Name<'_>; 3], from: &Reading, to: &Reading) -> Result<Table> {
    let mut table = Table::default();
    let mut growths = Vec::new();
    for guest in guests {
        let (from, to) = (from.memtrace.of(guest.uuid)?, to.memtrace.of(guest.uuid)?);
        growths.push(Growth { guest, from, to });
    }
    swap_and_faults(&growths, from, to, &mut table)?;
    reclaims(&growths, from, to, &mut table)?;
    stalls(&growths, from, to, &mut table);
    blame(guests, &growths, &from.memtrace.flows, &to.memtrace.flows, &mut table);
    Ok(table)
}

fn swap_and_faults(
    growths: &[Growth<'_>],
    from: &Reading,
    to: &Reading,
    table: &mut Table,
) -> Result<()> {
    for (place, growth) in growths.iter().enumerate() {
        let before = from.kernel.guests.get(place).context("a guest is missing")?;
        let after = to.kernel.guests.get(place).context("a guest is missing")?;
        let name = growth.guest.name;
        table.rows.push(row(
            ("swap_in", name, "swap-outs less swap-ins, pages"),
            (growth.swapped(), grown(before.swap_pages, after.swap_pages)),
            "VmSwap",
            Rule::within(1.0, 16.0),
        ));
        let key = ("major_faults", name, "major faults");
        match growth.from.major_faults.zip(growth.to.major_faults) {
            Some((from, to)) => table.rows.push(row(
                key,
                (grown(from, to), grown(before.major_faults, after.major_faults)),
                "memory.stat pgmajfault",
                Rule::within(1.0, 4.0),
            )),
            None => table.skipped.push(Skipped {
                signal: key.0.to_owned(),
                subject: key.1.to_owned(),
                counter: key.2.to_owned(),
                reason: "no hook counts them on this kernel".to_owned(),
                did_not_occur: false,
            }),
        }
    }
    Ok(())
}

/// Reclaims by the guests' threads: version 2 counts them where the limit was hit; else
/// the delay accounting does, thread by thread.
fn reclaims(growths: &[Growth<'_>], from: &Reading, to: &Reading, table: &mut Table) -> Result<()> {
    let rule = Rule::within(2.0, 4.0);
    if let (Some(before), Some(after)) = (from.kernel.limit_hits, to.kernel.limit_hits) {
        let reclaims = growths.iter().map(|g| g.of(|totals| totals.memcg_reclaims)).sum();
        table.rows.push(row(
            ("memcg_reclaim", EVERYBODY, "memcg reclaims"),
            (reclaims, grown(before, after)),
            "memory.events max",
            rule,
        ));
    }
    for (place, growth) in growths.iter().enumerate() {
        let before = from.kernel.guests.get(place).context("a guest is missing")?.reclaims;
        let after = to.kernel.guests.get(place).context("a guest is missing")?.reclaims;
        let (Some(before), Some(after)) = (before, after) else {
            table.skipped.push(Skipped {
                signal: "memcg_reclaim".to_owned(),
                subject: EVERYBODY.to_owned(),
                counter: "reclaims and stalls".to_owned(),
                reason: "no delay accounting here".to_owned(),
                did_not_occur: false,
            });
            return Ok(());
        };
        table.rows.push(row(
            ("memcg_reclaim", growth.guest.name, "direct and memcg reclaims"),
            (growth.reclaims(), grown(before.count, after.count)),
            "taskstats freepages_count",
            rule,
        ));
    }
    Ok(())
}

fn stalls(growths: &[Growth<'_>], from: &Reading, to: &Reading, table: &mut Table) {
    let total = |moment: &Reading| -> Option<u64> {
        moment.kernel.guests.iter().map(|guest| guest.reclaims.map(|r| r.nanoseconds)).sum()
    };
    if let (Some(before), Some(after)) = (total(from), total(to)) {
        table.rows.push(row(
            ("memcg_reclaim", EVERYBODY, "stalled in reclaim, ms"),
            (growths.iter().map(Growth::stalled_ms).sum(), grown(before, after) / 1e6),
            "taskstats freepages_delay_total",
            Rule::within(5.0, 1.0),
        ));
    }
}

/// Who caused it, and who had nothing to do with it.
fn blame(
    [noisy, victim, idle]: [Name<'_>; 3],
    growths: &[Growth<'_>],
    from: &Flows,
    to: &Flows,
    table: &mut Table,
) {
    let flow = |causer: Option<&str>, lost: Option<&str>| -> f64 {
        let fits = |key: &(String, String)| {
            causer.is_none_or(|uuid| uuid == key.0) && lost.is_none_or(|uuid| uuid == key.1)
        };
        to.iter()
            .filter(|(key, _)| fits(key))
            .map(|(key, pages)| grown(from.get(key).copied().unwrap_or(0), *pages))
            .sum()
    };
    let share = |part: f64, whole: f64| if whole > 0.0 { part * 100.0 / whole } else { f64::NAN };
    let all = flow(None, None);
    let caused = |guest: Name<'_>| share(flow(Some(guest.uuid), None), all);
    table.rows.push(row(
        ("flows", "noisy", "first by caused, % of pages taken"),
        (caused(noisy), caused(victim).max(caused(idle))),
        "the next guest's share",
        Rule::AtLeast,
    ));
    table.rows.push(row(
        ("flows", "victim", "its pages taken by noisy, %"),
        (share(flow(Some(noisy.uuid), Some(victim.uuid)), flow(None, Some(victim.uuid))), 50.0),
        "most of them",
        Rule::AtLeast,
    ));
    table.rows.push(row(
        ("flows", "idle", "caused, % of pages taken"),
        (caused(idle), 5.0),
        "near zero",
        Rule::AtMost,
    ));
    let stalled = |guest: Name<'_>| -> f64 {
        growths.iter().filter(|g| g.guest.uuid == guest.uuid).map(Growth::stalled_ms).sum()
    };
    let all: f64 = growths.iter().map(Growth::stalled_ms).sum();
    table.rows.push(row(
        ("flows", "idle", "% of all guests' time in reclaim"),
        (share(stalled(idle), all), 10.0),
        "near zero",
        Rule::AtMost,
    ));
}

/// A row of (signal, subject, counter) and (ours, the kernel's). What is compared here is
/// measured on every kernel, so it has to be exact.
fn row(
    (signal, subject, counter): (&str, &str, &str),
    (memtrace, kernel): (f64, f64),
    source: &str,
    rule: Rule,
) -> Row {
    Row {
        signal: signal.to_owned(),
        subject: subject.to_owned(),
        counter: counter.to_owned(),
        memtrace,
        kernel,
        source: source.to_owned(),
        rule,
        quality: Quality::Exact,
    }
}

/// Growth as a number with a sign; exact up to 2^53.
fn grown(from: u64, to: u64) -> f64 {
    to as f64 - from as f64
}

#[cfg(test)]
mod tests;
