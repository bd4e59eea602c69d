//! memtrace's numbers beside the kernel's, read while everything was still. Pure.
//!
//! What memtrace showed is taken as it showed it: a rate of each document times its
//! interval, added up over the scenario, with the worst that memtrace said of it. What it
//! shows nowhere is taken from its totals, with what it says of the signal.

use memtrace_core::accuracy::table::{Row, Rule, Skipped, Table};
use memtrace_core::signal::Quality;
use serde_json::Value;

use super::comparison::Comparison;

mod guest;
mod host;
#[cfg(test)]
mod tests;
mod waits;

/// All of a host, or all in a cgroup.
const EVERYBODY: &str = "all";
const EQUAL: Rule = Rule::within(0.0, 0.0);

/// The table of a scenario as the host reports it.
pub fn table(comparison: &Value) -> Table {
    let comparison = Comparison(comparison);
    let mut table = Table::default();
    for guest in comparison.guests() {
        let mut sheet = Sheet { subject: guest.name, table: &mut table };
        if guest.is_gone() {
            guest::killed(&guest, comparison, &mut sheet);
        } else {
            guest::rows(&guest, comparison, &mut sheet);
            waits::rows(&guest, comparison, &mut sheet);
        }
    }
    host::rows(comparison, &mut Sheet { subject: EVERYBODY, table: &mut table });
    table
}

/// Whether nothing moved while the numbers were read, so that they are of one moment.
pub fn is_still(comparison: &Value) -> bool {
    Comparison(comparison).still()
}

/// The rows of one guest, or of all.
struct Sheet<'a> {
    subject: &'a str,
    table: &'a mut Table,
}

/// What a row is of: signal and counter.
type Name<'a> = (&'a str, &'a str);

impl Sheet<'_> {
    /// Adds a row if both numbers are there, and says so if one isn't.
    fn compare(
        &mut self,
        name: Name<'_>,
        (memtrace, quality): (Option<f64>, Quality),
        (kernel, source): (Option<f64>, &str),
        rule: Rule,
    ) {
        if let Quality::Absent(reason) = &quality {
            return self.skip(name, reason);
        }
        match (memtrace, kernel) {
            (Some(memtrace), Some(kernel)) => self.table.rows.push(Row {
                signal: name.0.to_owned(),
                subject: self.subject.to_owned(),
                counter: name.1.to_owned(),
                memtrace,
                kernel,
                source: source.to_owned(),
                rule,
                quality,
            }),
            (None, _) => self.skip(name, "memtrace doesn't say"),
            (_, None) => self.skip(name, &format!("this kernel has no {source}")),
        }
    }

    fn skip(&mut self, (signal, counter): Name<'_>, reason: &str) {
        self.table.skipped.push(Skipped {
            signal: signal.to_owned(),
            subject: self.subject.to_owned(),
            counter: counter.to_owned(),
            reason: reason.to_owned(),
            did_not_occur: false,
        });
    }
}
