//! memtrace's totals beside the kernel's counters, read while everything was still. All
//! began at zero with the host, so the totals themselves are compared. Pure.

use serde_json::Value;

use super::comparison::{Comparison, Guest};
use crate::demo::table::{Row, Rule, Table, Tolerance};

const EQUAL: Rule = within(0.0, 0.0);

const fn within(percent: f64, at_least: f64) -> Rule {
    Rule::Equal(Tolerance { percent, at_least })
}

/// The table of a comparison as the host reports it.
pub fn table(comparison: &Value) -> Table {
    let comparison = Comparison(comparison);
    let mut table = Table::default();
    for guest in comparison.guests() {
        swap(&guest, &mut table);
        major_faults(&guest, &mut table);
        asynchronous(&guest, &mut table);
        flows(&guest, &mut table);
        tails(&guest, &mut table);
    }
    host(&comparison, &mut table);
    table
}

/// Adds a row if both numbers are there, and says so if one isn't.
fn compare(
    table: &mut Table,
    counter: String,
    numbers: (Option<u64>, Option<u64>),
    source: &'static str,
    rule: Rule,
) {
    match numbers {
        (Some(memtrace), Some(kernel)) => {
            let (memtrace, kernel) = (memtrace as f64, kernel as f64);
            table.rows.push(Row { counter, memtrace, kernel, source, rule });
        }
        (None, _) => table.skipped.push(format!("{counter}: memtrace doesn't say")),
        (_, None) => table.skipped.push(format!("{counter}: this kernel has no {source}")),
    }
}

fn swap(guest: &Guest<'_>, table: &mut Table) {
    let name = guest.name;
    let (out, back) = (guest.total("swap_out_pages"), guest.total("swap_in_pages"));
    let net = out.zip(back).map(|(out, back)| out.saturating_sub(back));
    let counter = format!("{name}: swap-outs less swap-ins, pages");
    compare(table, counter, (net, guest.swapped()), "VmSwap", within(1.0, 16.0));
    for (field, stat, what) in [
        ("swap_read_pages", "pswpin", "pages read from swap"),
        ("swap_write_pages", "pswpout", "pages written to swap"),
    ] {
        let source = if stat == "pswpin" { "memory.stat pswpin" } else { "memory.stat pswpout" };
        let numbers = (guest.total(field), guest.stat(stat));
        compare(table, format!("{name}: {what}"), numbers, source, within(1.0, 4.0));
    }
    if let (Some(back), Some(refaults)) = (back, guest.stat("workingset_refault_anon")) {
        // Readahead brings pages that nobody maps, and a mapped one counts once.
        table.skipped.push(format!(
            "{name}: {back} swap-ins are mappings, {refaults} anonymous refaults are reads"
        ));
    }
}

/// By the hook; where the kernel has none, by the process and its asynchronous faults,
/// which is all there is for a VM without a cgroup of its own.
fn major_faults(guest: &Guest<'_>, table: &mut Table) {
    let kernel = guest.stat("pgmajfault");
    let (counter, memtrace, rule) = if guest.is_exact("major_faults") {
        ("major faults", guest.total("major_faults"), within(1.0, 4.0))
    } else {
        let own = guest.process("majflt");
        let count = own.zip(guest.total("async_faults_done")).map(|(own, done)| own + done);
        ("majflt and asynchronous faults", count, within(3.0, 64.0))
    };
    let counter = format!("{}: {counter}", guest.name);
    compare(table, counter, (memtrace, kernel), "memory.stat pgmajfault", rule);
}

fn asynchronous(guest: &Guest<'_>, table: &mut Table) {
    let name = guest.name;
    let (begun, done) = (guest.total("async_faults"), guest.total("async_faults_done"));
    let counter = format!("{name}: asynchronous faults done");
    compare(table, counter, (done, begun), "memtrace's own: begun", EQUAL);
    // Not exactly: readahead or another CPU may have brought the page back meanwhile, and a
    // worker brings back a huge page at once.
    let numbers = (guest.total("swap_in_remote_pages"), done);
    let counter = format!("{name}: swap-ins by kernel workers");
    compare(table, counter, numbers, "memtrace's own: async done", within(10.0, 32.0));
}

/// What flows say was taken from it, beside what it lost.
fn flows(guest: &Guest<'_>, table: &mut Table) {
    let lost = guest.total("swap_out_pages").zip(guest.total("shmem_taken_pages"));
    let numbers = (guest.flows(), lost.map(|(swapped, shared)| swapped + shared));
    let counter = format!("{}: pages taken, by causer", guest.name);
    compare(table, counter, numbers, "memtrace's own: swap-outs", EQUAL);
}

/// There has to be something, at least where something was counted.
fn tails(guest: &Guest<'_>, table: &mut Table) {
    let something = |counter: &str, memtrace: u64| Row {
        counter: format!("{}: {counter}", guest.name),
        memtrace: memtrace as f64,
        kernel: 1.0,
        source: "",
        rule: Rule::AtLeast,
    };
    table.rows.push(something("guest faults", guest.total("guest_faults").unwrap_or(0)));
    for (total, field, counter) in [
        ("memcg_reclaims", "reclaim_p99", "reclaim p99, largest, us"),
        ("async_faults_done", "async_fault_p99", "async p99, largest, us"),
    ] {
        if guest.total(total).is_some_and(|count| count > 0) {
            table.rows.push(something(counter, guest.largest(field) / 1000));
        }
    }
}

/// What is of all VMs together.
fn host(comparison: &Comparison<'_>, table: &mut Table) {
    compare(
        table,
        "all: memcg reclaims".to_owned(),
        (Some(comparison.sum("memcg_reclaims")), comparison.kernel("pool_events/max")),
        "memory.events max",
        within(2.0, 4.0),
    );
    writes(comparison, table);
    compare(table, "all: losses".to_owned(), (comparison.losses(), Some(0)), "none may be", EQUAL);
    // What they cost shows in the other rows.
    let missed = comparison.missed_runs().map_or("unknown".to_owned(), |count| count.to_string());
    table.skipped.push(format!("all: runs that the kernel left out: {missed}"));
    let stalled = comparison.sum("memcg_reclaim_ns") / 1_000_000;
    let pressed = comparison.kernel("pool_pressure/some").unwrap_or(0) / 1000;
    table.skipped.push(format!(
        "all: {stalled} ms in memcg reclaim, of whole stalls that PSI has as {pressed} ms of `some`"
    ));
    let rss = comparison.tracer("VmRSS").unwrap_or(0);
    table.skipped.push(format!("memtrace itself (debug build): {rss} kB resident"));
}

/// memtrace counts folios, the kernel pages: they differ where huge pages went to swap whole.
fn writes(comparison: &Comparison<'_>, table: &mut Table) {
    let whole = comparison.kernel("vmstat/thp_swpout").unwrap_or(0);
    let rule = if whole == 0 { within(1.0, 16.0) } else { Rule::AtMost };
    compare(
        table,
        format!("all: reclaim writes, folios ({whole} huge)"),
        (Some(comparison.sum("reclaim_writes")), comparison.kernel("vmstat/nr_vmscan_write")),
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
                "signals": [{"signal": "major_faults", "quality": "exact"}],
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
        assert_eq!(pair(&table, "noisy: major faults"), (20.0, 20.0));
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
        assert!(table.skipped.iter().any(|reason| reason.contains("read from swap")));
        let empty = super::table(&json!({}));
        assert!(empty.rows.iter().all(|row| row.counter.starts_with("all: ")));
    }
}
