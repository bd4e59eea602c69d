//! A made-up report, and the table that it gives.

use memtrace_core::accuracy::table::Verdict;
use serde_json::json;

use super::*;

fn cell(grown: f64, quality: &str) -> Value {
    json!({
        "grown": grown, "largest": grown, "last": grown, "counts": [], "known": 2,
        "quality": quality, "reason": (quality != "exact").then_some("why"), "absence": null,
    })
}

fn comparison() -> Value {
    let moment = |reclaims: u64, max: u64, flows: Value| {
        json!({
            "memtrace": {
                "signals": [
                    {"signal": "major_faults", "quality": "exact"},
                    {"signal": "memcg_reclaim", "quality": "exact"},
                    {"signal": "direct_reclaim", "quality": "absent", "reason": "no hook"},
                    {"signal": "async_faults", "quality": "exact"},
                    {"signal": "flows", "quality": "exact"},
                    {"signal": "oom_kills", "quality": "exact"},
                ],
                "vms": [{"name": "noisy", "uuid": "u-1", "totals": {"value": {
                    "swap_out_pages": 100, "shmem_taken_pages": 0, "memcg_reclaims": 5,
                    "async_faults": 8, "async_faults_done": 7,
                }}}],
                "flows": {"value": flows, "quality": "exact"},
                "host": {
                    "losses": {"value": {"events": 1, "missed_runs": null}},
                    "totals": {"value": {
                        "kswapd": {"memcg_reclaims": 0}, "other": {"memcg_reclaims": reclaims},
                    }},
                },
                "notices": [{"about": "oom", "text": "the OOM killer chose a (process 77)"}],
            },
            "host": {"cpus": 2, "page_bytes": 4096,
                "vmstat": {
                    "pgsteal_anon": 100 + 10 * max, "swap_ra": 3 + max, "swap_ra_hit": 3,
                    "pswpout": 91 + 14 * max,
                },
                "events": {"max": max, "high": 0}},
        })
    };
    let old = json!({"victim": {"vm": {"uuid": "u-0"}}, "total_pages": 50});
    let new = json!({"victim": {"vm": {"uuid": "u-1"}}, "total_pages": 98});
    let mut before = moment(2, 0, json!([old]));
    before["memtrace"]["vms"] = json!([]);
    json!({
        "before": before,
        "after": moment(4, 7, json!([old, new])),
        "guests": [{
            "name": "noisy", "pid": 7, "alone": true, "busy": true,
            "kernel": {
                "process": {"VmSwap": 240}, "shared_swap": 0,
                "stat": {"pgmajfault": 20, "workingset_refault_anon": 41},
                "waits": {}, "pressure": {},
            },
            "events": {},
        }],
        "courses": {"noisy": {
            "swap_out": cell(409_600.0, "exact"),
            "swap_in": cell(163_840.0, "exact"),
            "major_faults": cell(21.0, "approximate"),
        }},
        "timed": {"ready": 7, "lost": 0, "spans": [[5, 7], [4, 5], [6, 9]]},
        "still": true,
    })
}

fn row(table: &Table, counter: &str) -> Row {
    table.rows.iter().find(|row| row.counter == counter).unwrap().clone()
}

fn pair(table: &Table, counter: &str) -> (f64, f64) {
    let row = row(table, counter);
    (row.memtrace, row.kernel)
}

#[test]
fn shown_values_and_kernel_counters_have_the_same_unit() {
    let table = table(&comparison());
    assert_eq!(pair(&table, "swap-outs less swap-ins, pages"), (60.0, 60.0));
    assert_eq!(pair(&table, "swap-ins, pages"), (40.0, 34.0 * 0.98));
    assert_eq!(pair(&table, "asynchronous faults done, traced"), (7.0, 7.0));
}

#[test]
fn pages_are_as_large_as_the_kernel_has_them() {
    let mut comparison = comparison();
    comparison["after"]["host"]["page_bytes"] = json!(16384);
    assert_eq!(pair(&table(&comparison), "swap-outs less swap-ins, pages"), (15.0, 15.0));
}

#[test]
fn pages_read_and_never_mapped_are_no_swap_ins() {
    let mut comparison = comparison();
    // 98 pages were written and 41 read; 70 were stolen, so 69 came back or are cached.
    comparison["before"]["host"]["vmstat"]["nr_swapcached"] = json!(5);
    comparison["after"]["host"]["vmstat"]["nr_swapcached"] = json!(5 + 38);
    assert_eq!(pair(&table(&comparison), "swap-ins, pages"), (40.0, 31.0 * 0.98));
}

/// Verdicts on 100 pages that memtrace saw taken, of which 40 came back: the kernel wrote
/// `written`, has `cached` in the swap cache, and read `read`.
fn written(written: u64, cached: u64, read: u64) -> [Verdict; 2] {
    let mut comparison = comparison();
    comparison["after"]["memtrace"]["flows"]["value"][1]["total_pages"] = json!(100);
    for (at, numbers) in [("before", [0; 3]), ("after", [written, cached, read])] {
        let names = ["pswpout", "nr_swapcached", "workingset_refault_anon"];
        for (name, number) in names.into_iter().zip(numbers) {
            comparison[at]["host"]["vmstat"][name] = json!(number);
        }
        comparison[at]["host"]["vmstat"]["swap_ra"] = json!(3);
    }
    let table = table(&comparison);
    ["pages taken", "pages taken, of those written"].map(|counter| row(&table, counter).verdict())
}

#[test]
fn a_page_that_came_back_before_it_was_written_was_taken_all_the_same() {
    let (exact, wrong) = (Verdict::Exact, Verdict::Wrong);
    assert_eq!(written(70, 0, 10), [exact, exact], "30 came back unread");
    assert_eq!(written(70, 0, 11), [wrong, exact], "29 did, of the 30 not written");
    assert_eq!(written(70, 18, 28), [exact, exact], "12 did, and 18 wait to be written");
    assert_eq!(written(103, 50, 10), [exact, wrong], "3 were written and not seen taken");
}

#[test]
fn the_host_is_compared_by_growth_and_the_vms_from_nothing() {
    let table = table(&comparison());
    assert_eq!(pair(&table, "memcg reclaims"), (7.0, 7.0));
    assert_eq!(pair(&table, "pages taken, by causer"), (98.0, 100.0));
    assert_eq!(row(&table, "pages taken, by causer").verdict(), Verdict::Wrong);
    assert_eq!(pair(&table, "pages taken"), (98.0, 98.0));
    assert_eq!(pair(&table, "pages taken, of those stolen"), (98.0, 63.0 * 0.98));
    assert_eq!(pair(&table, "losses"), (0.0, 0.0));
}

#[test]
fn a_number_is_worth_what_memtrace_said_of_it() {
    let table = table(&comparison());
    assert_eq!(row(&table, "major faults").verdict(), Verdict::Approximate);
    assert_eq!(row(&table, "major faults").quality.reason(), Some("why"));
}

/// Of ten faults in the bucket from 106.5 to 110.6 us, each within this span.
fn latency(span: (u64, u64)) -> Verdict {
    let mut comparison = comparison();
    let mut counts = vec![0; memtrace_ebpf::HISTOGRAM_BUCKETS];
    counts[memtrace_ebpf::bucket_of(110_000)] = 10;
    let mut shown = cell(10.0, "exact");
    shown["counts"] = json!(counts);
    comparison["courses"]["noisy"]["async_fault_histogram"] = shown;
    comparison["courses"]["noisy"]["async_fault_p50"] = cell(0.0, "exact");
    comparison["timed"]["spans"] = json!([span, span]);
    row(&table(&comparison), "asynchronous faults, p50, us").verdict()
}

#[test]
fn a_quantile_is_no_longer_and_no_shorter_than_the_traces_allow_and_half_a_bucket() {
    let within = [(90_000, 106_500), (90_000, 150_000), (110_500, 120_000)];
    assert_eq!(within.map(latency), [Verdict::Exact; 3]);
    let outside = [(50_000, 103_000), (114_000, 120_000)];
    assert_eq!(outside.map(latency), [Verdict::Wrong; 2]);
}

#[test]
fn missing_values_are_reported_and_never_zero() {
    let table = table(&comparison());
    let reason = |counter: &str| {
        let skipped = table.skipped.iter().find(|skipped| skipped.counter.contains(counter));
        skipped.map(|skipped| skipped.reason.clone())
    };
    assert_eq!(reason("direct reclaims").as_deref(), Some("no hook"));
    assert!(reason("refaults, pages").unwrap().contains("never showed"));
    assert!(reason("read from swap").is_some());
    let empty = super::table(&json!({}));
    assert!(empty.rows.iter().all(|row| row.subject == EVERYBODY));
}

#[test]
fn a_killed_guest_has_to_be_reported() {
    let mut comparison = comparison();
    comparison["guests"][0]["kernel"] = Value::Null;
    comparison["guests"][0]["events"] = json!({"oom_kill": 1});
    comparison["guests"][0]["pid"] = json!(77);
    comparison["after"]["memtrace"]["vms"] = json!([]);
    let table = table(&comparison);
    assert_eq!(pair(&table, "OOM kills, as told"), (1.0, 1.0));
    assert!(table.rows.iter().all(|row| row.counter != "memcg reclaims"), "its total is gone");
}
