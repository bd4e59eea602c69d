//! Encodes the table of metrics with `prometheus-client`.

use std::borrow::Cow;
use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry;

use super::catalogue;
use super::read::short;
use super::scene::Scene;
use super::table::{Metric, MetricKind, PREFIX, Point, Read, VM_LABELS, Value};
use memtrace_core::model::snapshot::VmView;
use memtrace_core::model::waited::{BOUNDS, WaitTotals};

type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// The one collector.
#[derive(Debug)]
pub(super) struct Everything(pub(super) Scene);

impl Collector for Everything {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let scene = &self.0;
        let vms: Vec<(&VmView, Labels<'_>)> = scene.vms().map(|vm| (vm, labels(vm))).collect();
        for metric in catalogue::all() {
            family(&metric, &samples(&metric, scene, &vms), &mut encoder)?;
        }
        Ok(())
    }
}

/// The VM of a sample.
fn labels(vm: &VmView) -> Labels<'_> {
    let values = [short(&vm.name), Cow::Owned(vm.id.to_string())];
    VM_LABELS.into_iter().zip(values).collect()
}

fn samples<'a>(
    metric: &Metric,
    scene: &'a Scene,
    vms: &[(&'a VmView, Labels<'a>)],
) -> Vec<(Labels<'a>, Value)> {
    let own = |before: &Labels<'a>, Point { labels, value }: Point<'a>| {
        let own = metric.labels.iter().copied().zip(labels);
        (before.iter().cloned().chain(own).collect(), value)
    };
    match metric.read {
        Read::Host(read) => {
            read(scene).into_iter().map(|point| own(&Labels::new(), point)).collect()
        }
        Read::Vm(read) => vms
            .iter()
            .flat_map(|(vm, labels)| {
                read(vm, scene).into_iter().map(|point| own(labels, point)).collect::<Vec<_>>()
            })
            .collect(),
    }
}

/// A family without samples is left out.
fn family(
    metric: &Metric,
    samples: &[(Labels<'_>, Value)],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), Error> {
    if samples.is_empty() {
        return Ok(());
    }
    let unit = metric.unit.word().map(|unit| registry::Unit::Other(unit.to_owned()));
    let name = format!("{PREFIX}_{}", metric.name);
    let kind = match metric.kind {
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Histogram => MetricType::Histogram,
        MetricKind::Info => MetricType::Info,
    };
    let mut encoder = encoder.encode_descriptor(&name, metric.help, unit.as_ref(), kind)?;
    for (labels, value) in samples {
        match metric.kind {
            MetricKind::Info => encoder.encode_info(labels)?,
            // The crate would write `{}`.
            _ if labels.is_empty() => sample(metric.kind, value, &mut encoder)?,
            _ => sample(metric.kind, value, &mut encoder.encode_family(labels)?)?,
        }
    }
    Ok(())
}

fn sample(kind: MetricKind, value: &Value, encoder: &mut MetricEncoder<'_>) -> Result<(), Error> {
    match (kind, value) {
        (MetricKind::Counter, Value::Count(count)) => {
            encoder.encode_counter::<NoLabelSet, _, u64>(count, None)
        }
        (MetricKind::Counter, Value::Number(number)) => {
            encoder.encode_counter::<NoLabelSet, _, u64>(number, None)
        }
        (_, Value::Count(count)) => encoder.encode_gauge(count),
        (_, Value::Number(number)) => encoder.encode_gauge(number),
        (_, Value::Waits(waits)) => histogram(waits, encoder),
    }
}

/// A wait of exactly a bound counts above it, which deviates from `le` by a nanosecond.
fn histogram(waits: &WaitTotals, encoder: &mut MetricEncoder<'_>) -> Result<(), Error> {
    let bounds = BOUNDS.into_iter().map(|bound| bound.seconds()).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(waits.counts.iter().copied()).collect();
    encoder.encode_histogram::<NoLabelSet>(waits.time.seconds(), waits.count(), &buckets, None)
}
