//! From two quiet moments to the table. Pure.

use anyhow::{Context as _, Result};

use super::document::{Document, Flows, Totals};
use super::kernel::KernelCounters;
use super::table::{Row, Rule, Table, Tolerance};

/// Both sides' counters at a moment at which none of them moved.
#[derive(Clone, Debug, Default)]
pub struct Moment {
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
pub fn table(guests: [Name<'_>; 3], from: &Moment, to: &Moment) -> Result<Table> {
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
    from: &Moment,
    to: &Moment,
    table: &mut Table,
) -> Result<()> {
    for (place, growth) in growths.iter().enumerate() {
        let before = from.kernel.guests.get(place).context("a guest is missing")?;
        let after = to.kernel.guests.get(place).context("a guest is missing")?;
        let name = growth.guest.name;
        table.rows.push(Row {
            counter: format!("{name}: swap-outs less swap-ins, pages"),
            memtrace: growth.swapped(),
            kernel: grown(before.swap_pages, after.swap_pages),
            source: "VmSwap",
            rule: Rule::Equal(Tolerance { percent: 1.0, at_least: 16.0 }),
        });
        table.rows.push(Row {
            counter: format!("{name}: major faults"),
            memtrace: growth.of(|totals| totals.major_faults),
            kernel: grown(before.major_faults, after.major_faults),
            source: "memory.stat pgmajfault",
            rule: Rule::Equal(Tolerance { percent: 1.0, at_least: 4.0 }),
        });
    }
    Ok(())
}

/// Reclaims by the guests' threads: version 2 counts them where the limit was hit; else
/// the delay accounting does, thread by thread.
fn reclaims(growths: &[Growth<'_>], from: &Moment, to: &Moment, table: &mut Table) -> Result<()> {
    let rule = Rule::Equal(Tolerance { percent: 2.0, at_least: 4.0 });
    if let (Some(before), Some(after)) = (from.kernel.limit_hits, to.kernel.limit_hits) {
        table.rows.push(Row {
            counter: "all guests: memcg reclaims".to_owned(),
            memtrace: growths.iter().map(|g| g.of(|totals| totals.memcg_reclaims)).sum(),
            kernel: grown(before, after),
            source: "memory.events max",
            rule,
        });
    }
    for (place, growth) in growths.iter().enumerate() {
        let before = from.kernel.guests.get(place).context("a guest is missing")?.reclaims;
        let after = to.kernel.guests.get(place).context("a guest is missing")?.reclaims;
        let (Some(before), Some(after)) = (before, after) else {
            table.skipped.push("reclaims and stalls: no delay accounting here".to_owned());
            return Ok(());
        };
        table.rows.push(Row {
            counter: format!("{}: direct and memcg reclaims", growth.guest.name),
            memtrace: growth.reclaims(),
            kernel: grown(before.count, after.count),
            source: "taskstats freepages_count",
            rule,
        });
    }
    Ok(())
}

fn stalls(growths: &[Growth<'_>], from: &Moment, to: &Moment, table: &mut Table) {
    let total = |moment: &Moment| -> Option<u64> {
        moment.kernel.guests.iter().map(|guest| guest.reclaims.map(|r| r.nanoseconds)).sum()
    };
    if let (Some(before), Some(after)) = (total(from), total(to)) {
        table.rows.push(Row {
            counter: "all guests: stalled in reclaim, ms".to_owned(),
            memtrace: growths.iter().map(Growth::stalled_ms).sum(),
            kernel: grown(before, after) / 1e6,
            source: "taskstats freepages_delay_total",
            rule: Rule::Equal(Tolerance { percent: 5.0, at_least: 1.0 }),
        });
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
    let bound = |counter: &str, memtrace: f64, kernel: f64, source, rule| Row {
        counter: counter.to_owned(),
        memtrace,
        kernel,
        source,
        rule,
    };
    table.rows.push(bound(
        "noisy: first by caused, % of pages taken",
        caused(noisy),
        caused(victim).max(caused(idle)),
        "the next guest's share",
        Rule::AtLeast,
    ));
    table.rows.push(bound(
        "victim: its pages taken by noisy, %",
        share(flow(Some(noisy.uuid), Some(victim.uuid)), flow(None, Some(victim.uuid))),
        50.0,
        "most of them",
        Rule::AtLeast,
    ));
    table.rows.push(bound(
        "idle: caused, % of pages taken",
        caused(idle),
        5.0,
        "near zero",
        Rule::AtMost,
    ));
    let stalled = |guest: Name<'_>| -> f64 {
        growths.iter().filter(|g| g.guest.uuid == guest.uuid).map(Growth::stalled_ms).sum()
    };
    let everybody: f64 = growths.iter().map(Growth::stalled_ms).sum();
    table.rows.push(bound(
        "idle: % of all guests' time in reclaim",
        share(stalled(idle), everybody),
        10.0,
        "near zero",
        Rule::AtMost,
    ));
}

/// Growth as a number with a sign; exact up to 2^53.
fn grown(from: u64, to: u64) -> f64 {
    to as f64 - from as f64
}

#[cfg(test)]
mod tests;
