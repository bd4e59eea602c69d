//! The metrics: each with its name, type, unit, labels, help, and where it is read from. The
//! encoders and docs/metrics.md are made of this alone.

use std::borrow::Cow;

use super::Scene;
use super::{counted, host, own, policy, vm};
use memtrace_core::model::snapshot::VmView;
use memtrace_core::model::waited::WaitTotals;

/// What every name begins with.
pub const PREFIX: &str = "memtrace";
/// The labels of every metric of a VM, before those of its own.
pub const VM_LABELS: [&str; 2] = ["name", "id"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    /// Its samples' names end in `_total`.
    Counter,
    Histogram,
    /// Always 1, for the sake of its labels. Its samples' names end in `_info`.
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
    /// The end of the name; `None` for a number of things.
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

/// Where the samples come from.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    Host(OfHost),
    /// Of each VM.
    Vm(OfVm),
}

/// One family of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Without prefix, unit, and what the kind adds.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    /// Beyond those that every VM has.
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
        kind: Kind,
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
        read: OfHost,
    ) -> Self {
        Self { name, kind, unit, labels, help, read: Read::Host(read) }
    }

    pub(super) const fn of_vm(
        kind: Kind,
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
        read: OfVm,
    ) -> Self {
        Self { name, kind, unit, labels, help, read: Read::Vm(read) }
    }

    /// With prefix and unit, as its help has it.
    pub fn family(&self) -> String {
        let unit = self.unit.word().map(|unit| format!("_{unit}")).unwrap_or_default();
        format!("{PREFIX}_{}{unit}", self.name)
    }

    /// As its samples have it; a histogram's add `_bucket`, `_sum` and `_count`.
    pub fn full_name(&self) -> String {
        let family = self.family();
        match self.kind {
            Kind::Gauge | Kind::Histogram => family,
            Kind::Counter => format!("{family}_total"),
            Kind::Info => format!("{family}_info"),
        }
    }

    pub const fn is_of_vm(&self) -> bool {
        matches!(self.read, Read::Vm(_))
    }
}

/// All of them, in the order in which they are written.
pub fn all() -> Vec<Metric> {
    let tables = [own::metrics(), host::metrics(), policy::metrics(), vm::metrics()];
    tables.into_iter().flatten().chain(counted::metrics()).collect()
}
