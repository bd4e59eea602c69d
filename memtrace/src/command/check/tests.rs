//! From the command line to a report, on made-up hosts.

use clap::Parser;

use super::*;
use crate::command::{Arguments, Command};
use memtrace_core::fixture;
use memtrace_core::fixture::samples;
use memtrace_core::sample::Sample;
use memtrace_core::sample::VmId;
use memtrace_core::source::{Pressure, Sign};
use memtrace_core::units::Nanos;
use memtrace_host::privileges::Capability;

fn typed(words: &[&str]) -> CheckArguments {
    let all = ["memtrace", "check"].iter().chain(words);
    match Arguments::try_parse_from(all).expect("it is understood").command {
        Some(Command::Check(arguments)) => arguments,
        other => panic!("not check: {other:?}"),
    }
}

fn status(words: &[&str]) -> Status {
    report(&fixture::demo(), &typed(words)).expect("there is a report").status()
}

#[test]
fn host_and_vms_are_held_against_what_is_typed_or_the_defaults() {
    assert_eq!(status(&[]), Status::Critical, "swap-in of 20 MiB/s");
    assert_eq!(status(&["-w", "swap_in=30"]), Status::Warning, "PSI is left");
    assert_eq!(status(&["-w", "swap_in=", "-w", "psi_some=20"]), Status::Ok);
    assert_eq!(status(&["-w", "swap_in=", "-c", "psi_some=12"]), Status::Critical);
    assert_eq!(
        status(&["-w", "swap_in=", "-w", "psi_some=", "-c", "available=20:"]),
        Status::Critical
    );
    assert_eq!(status(&["idle"]), Status::Ok);
    assert_eq!(status(&["noisy"]), Status::Critical);
    assert_eq!(status(&["idle", "--warning", "guest_available=60:"]), Status::Warning);
}

#[test]
fn a_vm_is_found_by_name_or_uuid_and_only_if_it_is_one() {
    let snapshot = fixture::demo();
    let uuid = snapshot.vms[1].id.to_string().to_uppercase();
    let found = report(&snapshot, &typed(&[&uuid])).expect("there is one");
    assert!(found.line().contains("VM victim"), "{}", found.line());
    let error = |snapshot: &Snapshot| report(snapshot, &typed(&["web"])).unwrap_err().to_string();
    assert!(error(&snapshot).starts_with("no VM \"web\"; VMs: "), "{}", error(&snapshot));
    let twins = fixture::snapshot(vec![fixture::vm("web", 1), fixture::vm("web", 2)]);
    assert!(error(&twins).starts_with("several VMs are named \"web\"; "), "{}", error(&twins));
}

#[test]
fn a_threshold_of_something_else_is_no_answer() {
    let error = report(&fixture::demo(), &typed(&["-w", "stalled=10"])).expect_err("no");
    assert_eq!(error.to_string(), "stalled is not a metric of a host");
    let error = report(&fixture::demo(), &typed(&["idle", "-c", "available=10:"])).expect_err("no");
    assert_eq!(error.to_string(), "available is not a metric of a VM");
}

#[test]
fn without_privileges_the_line_says_what_to_start() {
    let denied = Denied::new(vec![Capability::Bpf, Capability::Perfmon], "/usr/bin/memtrace");
    assert_eq!(
        failed(&denied.clone().into(), &typed(&[])),
        "MEMTRACE UNKNOWN: no samples of a running memtrace can be read (start \
         memtrace-exporter.service), and this process lacks CAP_BPF, CAP_PERFMON\n"
    );
    // One runs, and doesn't let everybody read.
    let told = failed(&denied.or("be in the group memtrace".into()).into(), &typed(&[]));
    assert!(told.contains("can be read (be in the group memtrace), and"), "{told}");
}

#[test]
fn an_error_is_one_line_too() {
    let error = anyhow::anyhow!("first\n  second | third");
    assert_eq!(failed(&error, &typed(&[])), "MEMTRACE UNKNOWN: first second / third\n");
    let json = |words: &[&str]| {
        let text = failed(&error, &typed(words));
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")
    };
    let of_host = json(&["--json"]);
    assert_eq!((&of_host["status"], &of_host["code"]), (&"unknown".into(), &3.into()));
    assert_eq!(of_host["subject"], "host");
    assert_eq!(json(&["--json", "web"])["subject"], "VM web");
}

#[test]
fn only_its_own_command_line_is_its() {
    assert!(is_meant(["check", "--nonsense"]));
    assert!(is_meant(["-v", "check"]));
    assert!(!is_meant(["check-config"]) && !is_meant(["top", "check"]));
    assert!(!is_meant::<&str>([]));
}

/// Samples a second apart in their own time; each wait ends at once with pressure.
struct Pressed {
    second: u64,
    waits: u64,
}

impl Source for Pressed {
    fn sample(&mut self, _: Option<VmId>) -> Result<Sample> {
        self.second += 1;
        ensure!(self.second < 3, "the host is gone");
        Ok(samples::sample(self.second, vec![samples::vm("a", 7)]))
    }

    fn wait(&mut self, _: Duration) -> Option<Pressure> {
        self.waits += 1;
        Some(Pressure { sign: Sign::Psi, at: Nanos(0) })
    }
}

#[test]
fn two_samples_are_compared_and_pressure_does_not_bring_them_nearer() {
    let mut source = Pressed { second: 0, waits: 0 };
    let (begun, interval) = (Instant::now(), Duration::from_millis(5));
    let snapshot = look(&mut source, interval).expect("it is read");
    assert!(begun.elapsed() >= interval && source.waits > 0);
    assert_eq!(snapshot.interval, Some(Nanos::SECOND));
    assert!(look(&mut source, interval).is_err(), "a host that can't be read is no zero");
}
