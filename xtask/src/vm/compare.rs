//! memtrace's totals beside the kernel's counters, read while everything was still. All
//! began at zero with the host, so the totals themselves are compared. Pure.

use serde_json::Value;

use super::comparison::{Comparison, Guest};
use crate::truth::table::{Row, Rule, Skipped, Table};

const EQUAL: Rule = Rule::within(0.0, 0.0);
/// All VMs together.
const EVERYBODY: &str = "all";

/// The table of a comparison as the host reports it.
pub fn table(comparison: &Value) -> Table {
    let comparison = Comparison(comparison);
    let mut table = Table::default();
    for guest in comparison.guests() {
        let mut side = Side { comparison, subject: guest.name, table: &mut table };
        swap(&guest, &mut side);
        major_faults(&guest, &mut side);
        asynchronous(&guest, &mut side);
        flows(&guest, &mut side);
        tails(&guest, &mut side);
    }
    host(&mut Side { comparison, subject: EVERYBODY, table: &mut table });
    table
}

/// The rows of one guest, or of all.
struct Side<'a> {
    comparison: Comparison<'a>,
    subject: &'a str,
    table: &'a mut Table,
}

impl Side<'_> {
    /// Adds a row if both numbers are there, and says so if one isn't.
    fn compare(
        &mut self,
        (signal, counter): (&str, &str),
        (memtrace, kernel): (Option<u64>, Option<u64>),
        source: &str,
        rule: Rule,
    ) {
        match (memtrace, kernel) {
            (Some(memtrace), Some(kernel)) => self.table.rows.push(Row {
                signal: signal.to_owned(),
                subject: self.subject.to_owned(),
                counter: counter.to_owned(),
                memtrace: memtrace as f64,
                kernel: kernel as f64,
                source: source.to_owned(),
                rule,
                quality: self.comparison.quality(signal),
            }),
            (None, _) => self.skip((signal, counter), "memtrace doesn't say"),
            (_, None) => self.skip((signal, counter), &format!("this kernel has no {source}")),
        }
    }

    fn skip(&mut self, (signal, counter): (&str, &str), reason: &str) {
        self.table.skipped.push(Skipped {
            signal: signal.to_owned(),
            subject: self.subject.to_owned(),
            counter: counter.to_owned(),
            reason: reason.to_owned(),
        });
    }
}

fn swap(guest: &Guest<'_>, side: &mut Side<'_>) {
    let (out, back) = (guest.total("swap_out_pages"), guest.total("swap_in_pages"));
    let net = out.zip(back).map(|(out, back)| out.saturating_sub(back));
    let counter = ("swap_in", "swap-outs less swap-ins, pages");
    side.compare(counter, (net, guest.swapped()), "VmSwap", Rule::within(1.0, 16.0));
    for (field, stat, what) in [
        ("swap_read_pages", "pswpin", "pages read from swap"),
        ("swap_write_pages", "pswpout", "pages written to swap"),
    ] {
        let numbers = (guest.total(field), guest.stat(stat));
        let source = format!("memory.stat {stat}");
        side.compare(("swap_in", what), numbers, &source, Rule::within(1.0, 4.0));
    }
}

/// By the hook; where the kernel has none, by the process and its asynchronous faults,
/// which is all there is for a VM without a cgroup of its own.
fn major_faults(guest: &Guest<'_>, side: &mut Side<'_>) {
    let kernel = guest.stat("pgmajfault");
    let (counter, memtrace, rule) = if guest.is_exact("major_faults") {
        ("major faults", guest.total("major_faults"), Rule::within(1.0, 4.0))
    } else {
        let own = guest.process("majflt");
        let count = own.zip(guest.total("async_faults_done")).map(|(own, done)| own + done);
        ("majflt and asynchronous faults", count, Rule::within(3.0, 64.0))
    };
    side.compare(("major_faults", counter), (memtrace, kernel), "memory.stat pgmajfault", rule);
}

fn asynchronous(guest: &Guest<'_>, side: &mut Side<'_>) {
    let (begun, done) = (guest.total("async_faults"), guest.total("async_faults_done"));
    let counter = ("async_faults", "asynchronous faults done");
    side.compare(counter, (done, begun), "memtrace's own: begun", EQUAL);
    // Not exactly: readahead or another CPU may have brought the page back meanwhile, and a
    // worker brings back a huge page at once.
    let numbers = (guest.total("swap_in_remote_pages"), done);
    let counter = ("async_faults", "swap-ins by kernel workers");
    side.compare(counter, numbers, "memtrace's own: async done", Rule::within(10.0, 32.0));
}

/// What flows say was taken from it, beside what it lost.
fn flows(guest: &Guest<'_>, side: &mut Side<'_>) {
    let lost = guest.total("swap_out_pages").zip(guest.total("shmem_taken_pages"));
    let numbers = (guest.flows(), lost.map(|(swapped, shared)| swapped + shared));
    let counter = ("flows", "pages taken, by causer");
    side.compare(counter, numbers, "memtrace's own: swap-outs", EQUAL);
}

/// There has to be something, at least where something was counted.
fn tails(guest: &Guest<'_>, side: &mut Side<'_>) {
    let faults = guest.total("guest_faults");
    let counter = ("guest_faults", "guest faults");
    side.compare(counter, (faults, Some(1)), "at least one", Rule::AtLeast);
    for (total, field, signal, counter) in [
        ("memcg_reclaims", "reclaim_p99", "memcg_reclaim", "reclaim p99, largest, us"),
        ("async_faults_done", "async_fault_p99", "async_faults", "async p99, largest, us"),
    ] {
        if guest.total(total).is_some_and(|count| count > 0) {
            let largest = guest.largest(field) / 1000;
            let numbers = (Some(largest), Some(1));
            side.compare((signal, counter), numbers, "something", Rule::AtLeast);
        }
    }
}

/// What is of all VMs together.
fn host(side: &mut Side<'_>) {
    let comparison = side.comparison;
    side.compare(
        ("memcg_reclaim", "memcg reclaims"),
        (Some(comparison.sum("memcg_reclaims")), comparison.kernel("pool_events/max")),
        "memory.events max",
        Rule::within(2.0, 4.0),
    );
    writes(side);
    side.compare(("lifecycle", "losses"), (comparison.losses(), Some(0)), "none may be", EQUAL);
    // What they cost shows in the other rows.
    let missed = comparison.missed_runs().map_or("unknown".to_owned(), |count| count.to_string());
    side.skip(("lifecycle", "runs that the kernel left out"), &missed);
    let stalled = comparison.sum("memcg_reclaim_ns") / 1_000_000;
    let pressed = comparison.kernel("pool_pressure/some").unwrap_or(0) / 1000;
    let reason = format!("{stalled} ms, of whole stalls that PSI has as {pressed} ms of `some`");
    side.skip(("memcg_reclaim", "time in memcg reclaim"), &reason);
    let rss = comparison.tracer("VmRSS").unwrap_or(0);
    side.skip(("lifecycle", "memtrace itself"), &format!("{rss} kB resident (debug build)"));
}

/// Of huge pages that go to swap whole, 5.10 counts one each.
fn writes(side: &mut Side<'_>) {
    let comparison = side.comparison;
    let whole = comparison.kernel("vmstat/thp_swpout").unwrap_or(0);
    let written = comparison.kernel("vmstat/nr_vmscan_write");
    let by_folio = written < comparison.kernel("vmstat/pswpout");
    let rule = match whole > 0 && by_folio {
        true => Rule::AtLeast,
        false => Rule::within(1.0, 16.0),
    };
    side.compare(
        ("reclaim_writes", &format!("reclaim writes, pages ({whole} huge at once)")),
        (Some(comparison.sum("reclaim_write_pages")), written),
        "vmstat nr_vmscan_write",
        rule,
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn comparison() -> Value {
        json!({
            "memtrace": {
                "signals": [
                    {"signal": "major_faults", "quality": "exact"},
                    {"signal": "swap_in", "quality": "approximate", "reason": "huge pages"},
                ],
                "vms": [{
                    "name": "noisy",
                    "uuid": "u-1",
                    "totals": {"quality": "exact", "value": {
                        "swap_out_pages": 100, "swap_in_pages": 40, "swap_in_remote_pages": 7,
                        "async_faults": 7, "async_faults_done": 7, "shmem_taken_pages": 0,
                        "major_faults": 20, "memcg_reclaims": 5, "guest_faults": 9,
                    }},
                }],
                "flows": {"value": [
                    {"victim": {"vm": {"uuid": "u-1"}}, "total_pages": 98},
                    {"victim": "other", "total_pages": 50},
                ]},
                "host": {
                    "losses": {"value": {"events": 1, "missed_runs": null}},
                    "totals": {"value": {"other": {"memcg_reclaims": 2}}},
                },
            },
            "guests": [{"name": "noisy", "kernel": {
                "process": {"VmSwap": 240, "majflt": 3},
                "stat": {"pgmajfault": 20},
            }}],
            "host": {"vmstat": {}, "pool_events": {"max": 7}, "pool_pressure": {}},
            "courses": {"noisy": [{"reclaim_p99": 5000}, {"reclaim_p99": 9000}]},
        })
    }

    fn pair(table: &Table, counter: &str) -> (f64, f64) {
        let row = table.rows.iter().find(|row| row.counter.contains(counter)).unwrap();
        (row.memtrace, row.kernel)
    }

    #[test]
    fn totals_stand_beside_the_kernels_counters_in_the_same_unit() {
        let table = table(&comparison());
        assert_eq!(pair(&table, "swap-outs less"), (60.0, 60.0));
        assert_eq!(pair(&table, "major faults"), (20.0, 20.0));
        assert_eq!(pair(&table, "memcg reclaims"), (7.0, 7.0));
        assert_eq!(pair(&table, "pages taken"), (98.0, 100.0));
        assert_eq!(pair(&table, "reclaim p99"), (9.0, 1.0));
        assert_eq!(pair(&table, "losses"), (1.0, 0.0));
    }

    #[test]
    fn without_the_hook_major_faults_are_told_from_the_process() {
        let mut comparison = comparison();
        comparison["memtrace"]["signals"][0]["quality"] = json!("approximate");
        assert_eq!(pair(&table(&comparison), "majflt"), (10.0, 20.0));
    }

    #[test]
    fn what_is_missing_is_said_and_never_taken_for_zero() {
        let table = table(&comparison());
        assert!(table.rows.iter().all(|row| !row.counter.contains("read from swap")));
        assert!(table.skipped.iter().any(|skipped| skipped.counter.contains("read from swap")));
        let empty = super::table(&json!({}));
        assert!(empty.rows.iter().all(|row| row.subject == "all"));
    }
}
