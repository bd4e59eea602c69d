//! A row of the table of metrics: name, type, unit, labels, help, and source.

use std::borrow::Cow;

use super::scene::Scene;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::model::waited::WaitTotals;

/// Prefix of every name.
pub const PREFIX: &str = "memtrace";
/// The labels of every VM metric, before its own.
pub const VM_LABELS: [&str; 2] = ["name", "id"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    /// Sample names end in `_total`.
    Counter,
    Histogram,
    /// Always 1, carries labels. Sample names end in `_info`.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    None,
    Bytes,
    BytesPerSecond,
    Ratio,
    Seconds,
}

impl Unit {
    /// The suffix of the name; `None` for plain numbers.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Bytes => Some("bytes"),
            Self::BytesPerSecond => Some("bytes_per_second"),
            Self::Ratio => Some("ratio"),
            Self::Seconds => Some("seconds"),
        }
    }
}

pub type OfHost = for<'a> fn(&'a Scene) -> Vec<Point<'a>>;
pub type OfVm = for<'a> fn(&'a VmView, &'a Scene) -> Vec<Point<'a>>;

/// The source of the samples.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    Host(OfHost),
    /// Of each VM.
    Vm(OfVm),
}

/// One family of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Without prefix, unit, and suffix of the kind.
    pub name: &'static str,
    pub kind: MetricKind,
    pub unit: Unit,
    /// Beyond [`VM_LABELS`].
    pub labels: &'static [&'static str],
    pub help: &'static str,
    pub read: Read,
}

/// One sample, or one histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Point<'a> {
    /// In the order of the metric's labels.
    pub labels: Vec<Cow<'a, str>>,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Count(u64),
    Number(f64),
    Waits(WaitTotals),
}

impl Metric {
    pub(super) const fn of_host(
        kind: MetricKind,
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
        read: OfHost,
    ) -> Self {
        Self { name, kind, unit, labels, help, read: Read::Host(read) }
    }

    pub(super) const fn of_vm(
        kind: MetricKind,
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
        read: OfVm,
    ) -> Self {
        Self { name, kind, unit, labels, help, read: Read::Vm(read) }
    }

    /// The family name, with prefix and unit.
    pub fn family(&self) -> String {
        let unit = self.unit.word().map(|unit| format!("_{unit}")).unwrap_or_default();
        format!("{PREFIX}_{}{unit}", self.name)
    }

    /// The sample name; histograms add `_bucket`, `_sum` and `_count`.
    pub fn full_name(&self) -> String {
        let family = self.family();
        match self.kind {
            MetricKind::Gauge | MetricKind::Histogram => family,
            MetricKind::Counter => format!("{family}_total"),
            MetricKind::Info => format!("{family}_info"),
        }
    }

    pub const fn is_of_vm(&self) -> bool {
        matches!(self.read, Read::Vm(_))
    }
}
