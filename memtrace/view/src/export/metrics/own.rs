//! The metrics of memtrace itself.

use std::borrow::Cow;

use super::read::{alone, by, count, flag, seconds};
use super::scene::Scene;
use super::table::{Metric, MetricKind, Point, Unit, Value};
use memtrace_core::model::snapshot::Losses;
use memtrace_core::signal::SignalStatus;
use memtrace_core::units::Nanos;

const QUALITIES: [&str; 3] = ["exact", "approximate", "absent"];

pub(super) fn metrics() -> Vec<Metric> {
    [itself(), hooks().into()].concat()
}

/// The hooks that are attached on demand.
fn hooks() -> [Metric; 2] {
    use MetricKind::Gauge;
    [
        Metric::of_host(
            Gauge,
            "hooks_armed",
            Unit::None,
            &[],
            "Whether the hooks are attached that fire in each page fault of the host (1), or are not \
             because nothing is reclaimed or swapped (0).",
            |scene| alone(scene.snapshot.host.hooks.value.map(|hooks| flag(hooks.attached))),
        ),
        Metric::of_host(
            Gauge,
            "hooks_since",
            Unit::Seconds,
            &[],
            "Time since they were attached or detached.",
            |scene| alone(scene.snapshot.host.hooks.value.map(|hooks| seconds(hooks.since))),
        ),
    ]
}

fn itself() -> Vec<Metric> {
    use MetricKind::{Counter, Gauge, Info};
    vec![
        Metric::of_host(Info, "build", Unit::None, &["version"], "Version of memtrace.", |_| {
            by([(env!("CARGO_PKG_VERSION"), Some(Value::Count(1)))])
        }),
        Metric::of_host(
            Gauge,
            "sample_age",
            Unit::Seconds,
            &[],
            "Age of the sample at the time of the scrape.",
            |scene| {
                let age = Nanos(scene.now.0.saturating_sub(scene.snapshot.wall.0));
                alone(Some(seconds(age)))
            },
        ),
        Metric::of_host(
            Gauge,
            "sample_timestamp",
            Unit::Seconds,
            &[],
            "Time of the sample, in seconds since the epoch; of a textfile, which ages.",
            |scene| alone(Some(seconds(Nanos(scene.snapshot.wall.0)))),
        ),
        Metric::of_host(
            Gauge,
            "sample_interval",
            Unit::Seconds,
            &[],
            "Length of the interval that rates and ratios cover.",
            |scene| alone(scene.snapshot.interval.map(seconds)),
        ),
        Metric::of_host(
            Gauge,
            "signal_quality",
            Unit::None,
            &["signal", "quality"],
            "1 for the quality of a signal on this host, 0 for the other two.",
            qualities,
        ),
        Metric::of_host(
            Counter,
            "lost",
            Unit::None,
            &["what"],
            "Events that the eBPF programs could not count since the start.",
            lost,
        ),
        Metric::of_host(
            Gauge,
            "notices",
            Unit::None,
            &[],
            "Messages for the operator, such as an unavailable source; `memtrace top` shows \
             them.",
            |scene| alone(Some(count(scene.snapshot.notices.len()))),
        ),
        Metric::of_host(Gauge, "vms", Unit::None, &[], "VMs on this host.", |scene| {
            alone(Some(count(scene.snapshot.vms.len())))
        }),
        Metric::of_host(
            Gauge,
            "vms_omitted",
            Unit::None,
            &[],
            "VMs without metrics: beyond 4096, or with the identity of another VM.",
            |scene| alone(Some(count(scene.omitted()))),
        ),
    ]
}

fn qualities(scene: &Scene) -> Vec<Point<'_>> {
    let of_signal = |status: &SignalStatus| {
        let (signal, holds) = (word(&status.signal), status.quality.word());
        QUALITIES.map(|quality| Point {
            labels: vec![Cow::Owned(signal.clone()), Cow::Borrowed(quality)],
            value: flag(quality == holds),
        })
    };
    scene.snapshot.signals.iter().flat_map(of_signal).collect()
}

/// The name in JSON.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn lost(scene: &Scene) -> Vec<Point<'_>> {
    let Some(Losses {
        events,
        slots,
        stalls,
        async_faults,
        flow_pages,
        address_spaces,
        failed_reads,
        missed_runs,
    }) = scene.snapshot.host.losses.value
    else {
        return Vec::new();
    };
    let all = [
        ("events", Some(events)),
        ("slots", Some(slots)),
        ("stalls", Some(stalls)),
        ("async_faults", Some(async_faults)),
        ("flow_pages", Some(flow_pages)),
        ("address_spaces", Some(address_spaces)),
        ("failed_reads", Some(failed_reads)),
        ("missed_runs", missed_runs),
    ];
    by(all.map(|(what, count)| (what, count.map(Value::Count))))
}
