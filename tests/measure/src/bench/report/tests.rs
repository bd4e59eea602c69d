//! The page's shape: every table with its aims, and the page that is kept.

use std::collections::BTreeMap;

use memtrace_lab::paths;

use super::*;
use crate::bench::slowdown::{self, Round};
use crate::measured::FileCost;

fn host() -> Host {
    Host { kernel: "6.18".to_owned(), cpus: 2, date: "2026-01-02".to_owned() }
}

fn hook_row(task: Task, ours: f64) -> hooks::Row {
    let rounds = BTreeMap::from([
        (Program::Empty, vec![45.0, 44.0, 46.0]),
        (Program::Memtrace, vec![ours, ours - 1.0, ours + 1.0]),
        (Program::Bpftrace, vec![125.0]),
    ]);
    hooks::Row { hook: "kmem:rss_stat", load: "page faults", task, rounds }
}

fn scale(busy: bool, sample_ns: u64) -> Scale {
    let files = vec![FileCost { file: "memory.stat".to_owned(), ns: sample_ns / 1000 }];
    Scale {
        vms: 100,
        busy,
        moved: if busy { 100 } else { 0 },
        counted: 100,
        sample_ns,
        derive_ns: 500_000,
        files,
        ..Scale::default()
    }
}

fn results() -> Results {
    Results {
        hooks: vec![hook_row(Task::Other, 60.0), hook_row(Task::Vm, 100.0)],
        slowdown: vec![slowdown::Row {
            load: "swap thrash",
            task: Task::Vm,
            rounds: vec![Round { off: 100e6, empty: 101e6, on: 102e6 }; 9],
        }],
        scale: vec![scale(false, 1_500_000), scale(true, 9_600_000)],
        recording: vec![Recording {
            vms: 100,
            record_ns: 9_000_000,
            bytes: 500,
            first_bytes: 20_000,
            ..Recording::default()
        }],
        latency: vec![Latency {
            load: "idle".to_owned(),
            events: 500,
            p99_ns: 5_100_000,
            ..Latency::default()
        }],
        wire: vec![Latency {
            load: "idle".to_owned(),
            events: 77,
            p99_ns: 49_000_000,
            ..Latency::default()
        }],
        skipped: vec!["swap".to_owned()],
    }
}

fn line<'a>(page: &'a str, words: &[&str]) -> &'a str {
    page.lines().find(|line| words.iter().all(|word| line.contains(word))).expect("such a line")
}

#[test]
fn an_event_is_judged_net_of_the_empty_program_and_by_bpftrace() {
    let page = page(&results(), &host());
    let good = line(&page, &["rss_stat", "no VM"]);
    assert!(good.contains(" 15 ") && good.contains("19 %") && good.contains("holds"), "{good}");
    // 55 ns are within a VM's bound, and far more than a quarter of bpftrace's.
    let bad = line(&page, &["rss_stat", "| VM "]);
    assert!(bad.contains(" 55 ") && bad.contains("69 %") && bad.contains("missed"), "{bad}");
}

#[test]
fn a_recording_is_judged_by_its_time_and_by_its_day() {
    let mut results = results();
    let row = |results: &Results| {
        let text = recording(results);
        line(&text, &["| 100 |"]).to_owned()
    };
    let good = row(&results);
    assert!(
        good.contains("0.90 %") && good.contains("46.1 MB") && good.contains("holds"),
        "{good}"
    );
    results.recording[0].bytes = 600;
    assert!(row(&results).contains("missed"));
    (results.recording[0].bytes, results.recording[0].record_ns) = (500, 10_000_001);
    assert!(row(&results).contains("missed"));
}

#[test]
fn without_bpftrace_there_is_no_verdict() {
    let mut results = results();
    for row in &mut results.hooks {
        row.rounds.retain(|program, _| *program == Program::Memtrace);
    }
    let page = page(&results, &host());
    let row = line(&page, &["rss_stat", "no VM"]);
    assert!(!row.contains("holds") && !row.contains("missed"), "{row}");
}

#[test]
fn a_tick_is_reported_for_each_vm_and_a_late_event_misses_its_aim() {
    let page = page(&results(), &host());
    let quiet = line(&page, &["1.5 ms"]);
    assert!(quiet.contains("20 µs") && quiet.contains("holds"), "{quiet}");
    let busy = line(&page, &["9.6 ms"]);
    assert!(busy.contains("101 µs") && busy.contains("missed"), "{busy}");
    let file = line(&page, &["| `memory.stat`"]);
    assert!(file.contains("1.5 µs") && file.contains("9.6 µs"), "{file}");
    assert!(line(&page, &["| idle"]).contains("missed"));
    assert!(page.contains("Not measured: swap."));
}

/// Titles and heads of tables.
fn shape(page: &str) -> Vec<String> {
    let lines: Vec<&str> = page.lines().collect();
    let heads =
        lines.windows(2).filter(|pair| pair[1].starts_with("| -") || pair[1].starts_with("| --"));
    let cells = |line: &str| line.split('|').map(str::trim).collect::<Vec<_>>().join("|");
    let heads = heads.map(|pair| cells(pair[0]));
    lines
        .iter()
        .filter(|line| line.starts_with('#'))
        .map(|line| (*line).to_owned())
        .chain(heads)
        .collect()
}

#[test]
fn the_kept_page_has_the_shape_that_is_written_today() {
    let path = paths::workspace().join(PAGE);
    let kept = fs::read_to_string(&path).expect("docs/performance.md");
    assert_eq!(shape(&kept), shape(&page(&results(), &host())), "run cargo xtask bench --write");
    for wanted in ["page_fault_user", "swap thrash", "| 1000 |", "idle"] {
        assert!(kept.contains(wanted), "nothing was measured of {wanted}");
    }
}
