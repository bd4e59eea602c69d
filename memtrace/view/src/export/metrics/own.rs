//! The metrics of memtrace itself.

use std::borrow::Cow;

use super::Scene;
use super::read::{alone, by, count, flag, seconds};
use super::table::{Kind, Metric, Point, Unit, Value};
use memtrace_core::model::snapshot::Losses;
use memtrace_core::signal::SignalStatus;
use memtrace_core::units::Nanos;

const QUALITIES: [&str; 3] = ["exact", "approximate", "absent"];

pub(super) fn metrics() -> Vec<Metric> {
    use Kind::{Counter, Gauge, Info};
    vec![
        Metric::of_host(
            Info,
            "build",
            Unit::None,
            &["version"],
            "The memtrace that tells this.",
            |_| by([(env!("CARGO_PKG_VERSION"), Some(Value::Count(1)))]),
        ),
        Metric::of_host(
            Gauge,
            "sample_age",
            Unit::Seconds,
            &[],
            "Age of everything told here when it was asked for.",
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
            "When it was read, in seconds since the epoch; of a file, which gets older unread.",
            |scene| alone(Some(seconds(Nanos(scene.snapshot.wall.0)))),
        ),
        Metric::of_host(
            Gauge,
            "sample_interval",
            Unit::Seconds,
            &[],
            "Length of the interval that rates and ratios stand for.",
            |scene| alone(scene.snapshot.interval.map(seconds)),
        ),
        Metric::of_host(
            Gauge,
            "signal_quality",
            Unit::None,
            &["signal", "quality"],
            "1 for how far a signal can be trusted on this host, 0 for the other two.",
            qualities,
        ),
        Metric::of_host(
            Counter,
            "lost",
            Unit::None,
            &["what"],
            "What the kernel side could not count since it started.",
            lost,
        ),
        Metric::of_host(
            Gauge,
            "notices",
            Unit::None,
            &[],
            "Things an operator should know, such as a source that is gone; `memtrace top` says \
             them.",
            |scene| alone(Some(count(scene.snapshot.notices.len()))),
        ),
        Metric::of_host(Gauge, "vms", Unit::None, &[], "VMs that run here.", |scene| {
            alone(Some(count(scene.snapshot.vms.len())))
        }),
        Metric::of_host(
            Gauge,
            "vms_omitted",
            Unit::None,
            &[],
            "Of them, those that are told nothing of: over 4096, or of an identity that another \
             one has.",
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

/// As JSON names it.
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
