//! Both forms of the report, pinned.

use super::super::verdict::{judge, overall};
use super::*;
use crate::command::selftest::subject::{Checked, Subject};
use memtrace_core::signal::{Quality, Signal, SignalStatus};

fn row(signal: Signal, counter: &str, (memtrace, kernel): (f64, f64), rule: Rule) -> Row {
    Row {
        signal: Checked::Signal(signal),
        subject: Subject::Guest,
        counter: counter.to_owned(),
        memtrace,
        kernel,
        source: "VmSwap".to_owned(),
        rule,
        quality: Quality::Exact,
    }
}

fn report() -> SelftestReport {
    let mut faults = row(Signal::GuestFaults, "faults", (9.0, 7.0), Rule::AtLeast);
    faults.quality = Quality::approximate("counts exits");
    let rows = vec![
        faults,
        row(Signal::SwapOut, "swap-outs, pages", (10_506.0, 10_500.0), Rule::within(1.0, 16.0)),
        row(Signal::MemcgReclaim, "time, ms", (3.26, 3.5), Rule::AtMost),
    ];
    let skipped = vec![Skipped {
        signal: Checked::Signal(Signal::OomKills),
        subject: Subject::Host,
        counter: "OOM victims".to_owned(),
        reason: "would need an OOM kill".to_owned(),
        did_not_occur: false,
    }];
    let table = Table { rows, skipped };
    let status =
        |signal| SignalStatus { signal, source: None, hooked: true, quality: Quality::Exact };
    let signals = [Signal::GuestFaults, Signal::SwapOut, Signal::MemcgReclaim, Signal::OomKills];
    let signals = judge(&table, &signals.map(status));
    SelftestReport {
        version: "0.1.0".into(),
        kernel: Some("6.18.44\x1b[2J".into()),
        architecture: "x86_64".into(),
        guest: GuestFacts {
            kind: GuestKind::Process,
            reason: Some("cannot open /dev/kvm".into()),
            memory_mib: 96,
            limit_mib: Some(64),
            cgroup_version: Some(2),
            seconds: 7.25,
        },
        verdict: overall(&signals),
        table,
        signals,
    }
}

fn wrong() -> SelftestReport {
    let mut report = report();
    report.table.rows[1].memtrace = 1.0;
    report.signals = judge(&report.table, &[]);
    report.verdict = HostVerdict::Wrong;
    report
}

#[test]
fn the_text_lines_up() {
    insta::assert_snapshot!(report().text(false));
}

#[test]
fn the_json_form_is_pinned() {
    insta::assert_snapshot!(report().json().unwrap());
}

#[test]
fn rows_can_be_read_back_as_rows() {
    let document: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
    let rows: Vec<Row> = serde_json::from_value(document["rows"].clone()).unwrap();
    assert_eq!(rows, report().table.rows);
}

#[test]
fn colours_come_only_when_asked_for() {
    assert!(!wrong().text(false).contains('\x1b'));
    let colored = wrong().text(true);
    assert!(colored.contains("\x1b[31mWRONG"), "{colored:?}");
    assert!(!colored.contains("\x1b[2J"), "{colored:?}");
}

#[test]
fn the_failures_are_in_the_last_line() {
    assert!(wrong().text(false).ends_with("WRONG: 1 rows fail; 2 of 3 rows pass, 1 not checked\n"));
}

#[test]
fn a_guest_that_was_not_pressed_is_reported() {
    let mut report = report();
    report.guest.limit_mib = None;
    assert!(report.text(false).contains("an ordinary process of 96 MiB without a limit, 7 s"));
}
