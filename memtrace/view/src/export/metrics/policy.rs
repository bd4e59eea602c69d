//! The metrics of the policy's decisions.

use super::read::{alone, by, flag, number, one_of};
use super::scene::Scene;
use super::table::{Metric, MetricKind, Unit, Value};
use memtrace_core::policy::state::Level;
use memtrace_core::reactor::{Author, Mode, Report};
use memtrace_core::units::Bytes;

/// The policy's host states, by severity.
const STATES: [&str; 4] =
    [Level::Calm.word(), Level::Soft.word(), Level::Hard.word(), Level::Low.word()];

pub(super) fn metrics() -> Vec<Metric> {
    use MetricKind::{Counter, Gauge};
    vec![
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

fn report(scene: &Scene) -> Option<&Report> {
    scene.decided.report()
}

/// Decisions of this instance; those of another are only in its journal.
fn own(scene: &Scene) -> Option<&Report> {
    report(scene).filter(|report| report.author == Author::Ourselves)
}
