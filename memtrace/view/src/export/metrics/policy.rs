//! The metrics of what is decided here.

use super::Scene;
use super::read::{alone, by, flag, number, one_of};
use super::table::{Kind, Metric, Unit, Value};
use memtrace_core::policy::state::Level;
use memtrace_core::reactor::{Author, Mode, Report};
use memtrace_core::units::Bytes;

/// The policy's ladder.
const STATES: [&str; 4] =
    [Level::Calm.word(), Level::Soft.word(), Level::Hard.word(), Level::Low.word()];

pub(super) fn metrics() -> Vec<Metric> {
    use Kind::{Counter, Gauge};
    vec![
        Metric::of_host(
            Gauge,
            "host_state",
            Unit::None,
            &["state"],
            "1 for the state of the host by the policy that holds here, 0 for the others.",
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
            "How soon the host comes to a state, or begins to swap, if it goes on like this; \
             nothing where that is more than ten minutes.",
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
            "What balloons could give now, above the VMs' floors; VMs of which too little is known \
             count as nothing.",
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
            "1 where decisions are carried out, 0 where memtrace only observes.",
            |scene| alone(report(scene).map(|report| flag(report.reaction.mode == Mode::Enforce))),
        ),
        Metric::of_host(
            Gauge,
            "impeded",
            Unit::None,
            &[],
            "1 while nothing can be done: the journal can't be written, for one.",
            |scene| alone(own(scene).map(|report| flag(report.reaction.problem.is_some()))),
        ),
        Metric::of_host(
            Counter,
            "decisions",
            Unit::None,
            &[],
            "Decisions of this run of `memtrace mitigate`, carried out or only observed.",
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

/// By this memtrace: what another one does is seen in its journal alone.
fn own(scene: &Scene) -> Option<&Report> {
    report(scene).filter(|report| report.author == Author::Ourselves)
}
