//! The metrics of the policy's decisions.

use std::collections::BTreeSet;

use super::read::{alone, by, flag, number, one_of};
use super::scene::Scene;
use super::table::{Metric, MetricKind, Point, Unit, Value};
use memtrace_core::alert::Alert;
use memtrace_core::policy::state::Level;
use memtrace_core::reactor::{Author, Mode, Report};
use memtrace_core::text::clean;
use memtrace_core::units::Bytes;

/// The policy's host states, by severity.
const STATES: [&str; 4] =
    [Level::Calm.word(), Level::Soft.word(), Level::Hard.word(), Level::Low.word()];

/// Maximum number of alerts with a sample.
const MOST_ALERTS: usize = 1024;

pub(super) fn metrics() -> Vec<Metric> {
    [expected().as_slice(), &done()].concat()
}

/// What the policy makes of the host.
fn expected() -> [Metric; 3] {
    use MetricKind::Gauge;
    [
        Metric::of_host(
            Gauge,
            "host_state",
            Unit::None,
            &["state"],
            "1 for the policy's state of the host, 0 for the others.",
            |scene| {
                let state = report(scene).and_then(|report| report.reaction.decisions.state);
                one_of(&STATES, state.map(Level::word))
            },
        ),
        Metric::of_host(
            Gauge,
            "host_forecast",
            Unit::Seconds,
            &["what"],
            "Forecast time until the host reaches a state, or begins to swap; no sample beyond \
             10 minutes.",
            |scene| {
                let ahead = report(scene).map(|report| &report.reaction.decisions.ahead[..]);
                let ahead = ahead.unwrap_or_default().iter();
                by(ahead.map(|ahead| (ahead.what.word(), number(ahead.seconds))))
            },
        ),
        Metric::of_host(
            Gauge,
            "host_reclaimable",
            Unit::Bytes,
            &[],
            "Memory that balloons could reclaim now, above the VMs' floors; VMs without sufficient \
             data count as 0.",
            |scene| {
                let bytes = report(scene).and_then(|report| report.reaction.decisions.reclaimable);
                alone(bytes.map(|Bytes(bytes)| Value::Count(bytes)))
            },
        ),
    ]
}

/// What is done, and what is told.
fn done() -> [Metric; 4] {
    use MetricKind::{Counter, Gauge};
    [
        Metric::of_host(
            Gauge,
            "enforcing",
            Unit::None,
            &[],
            "1 if decisions are carried out (enforce mode), 0 in observe mode.",
            |scene| alone(report(scene).map(|report| flag(report.reaction.mode == Mode::Enforce))),
        ),
        Metric::of_host(
            Gauge,
            "impeded",
            Unit::None,
            &[],
            "1 while decisions can't be carried out, for example if the journal can't be written.",
            |scene| alone(own(scene).map(|report| flag(report.reaction.problem.is_some()))),
        ),
        Metric::of_host(
            Gauge,
            "alert_firing",
            Unit::None,
            &["rule", "severity", "vm", "vm_id"],
            "1 for each alert of memtrace's own that is firing; `vm` is empty for the host's.",
            firing,
        ),
        Metric::of_host(
            Counter,
            "decisions",
            Unit::None,
            &[],
            "Decisions of this run of `memtrace mitigate`, in enforce or observe mode.",
            |scene| {
                let entered = |report: &Report| {
                    let last = report.reaction.entries.last();
                    last.map_or(0, |entry| entry.number.saturating_add(1))
                };
                alone(own(scene).map(entered).map(Value::Count))
            },
        ),
    ]
}

/// One for each rule and VM: duplicate series would fail the whole scrape.
fn firing(scene: &Scene) -> Vec<Point<'_>> {
    let of = |alert: &Alert| {
        let vm = alert.vm.as_ref();
        let name = vm.map(|vm| clean(&vm.name).into_owned()).unwrap_or_default();
        (
            alert.condition.name(),
            alert.severity.word(),
            name,
            vm.map(|vm| vm.vm.to_string()).unwrap_or_default(),
        )
    };
    let all: BTreeSet<_> = scene.alerts.iter().map(of).take(MOST_ALERTS).collect();
    let point = |(rule, severity, name, id): (&'static str, &'static str, String, String)| Point {
        labels: vec![rule.into(), severity.into(), name.into(), id.into()],
        value: flag(true),
    };
    all.into_iter().map(point).collect()
}

fn report(scene: &Scene) -> Option<&Report> {
    scene.decided.report()
}

/// Decisions of this instance; those of another are only in its journal.
fn own(scene: &Scene) -> Option<&Report> {
    report(scene).filter(|report| report.author == Author::Ourselves)
}
