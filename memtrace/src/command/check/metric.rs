//! Metrics of `memtrace check`: names, units, and default thresholds. Pure.

use std::str::FromStr;

use anyhow::{Context, Error, Result};

use super::range::Range;
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::{HostView, VmView};
use memtrace_core::signal::Quality;
use memtrace_core::units::{ByteRate, Bytes};

const MIB: f64 = 1_048_576.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    Available,
    PsiSome,
    SwapIn,
    SwapUsed,
    Stalled,
    GuestAvailable,
}

/// Its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub metric: Metric,
    /// In the unit of [`Metric::unit`]. `None`: unknown.
    pub number: Option<f64>,
    /// Its quality; why it is unknown.
    pub quality: Quality,
}

impl Metric {
    pub const ALL: [Self; 6] = [
        Self::Available,
        Self::PsiSome,
        Self::SwapIn,
        Self::SwapUsed,
        Self::Stalled,
        Self::GuestAvailable,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::PsiSome => "psi_some",
            Self::SwapIn => "swap_in",
            Self::SwapUsed => "swap_used",
            Self::Stalled => "stalled",
            Self::GuestAvailable => "guest_available",
        }
    }

    /// For display. The plugin guidelines have no unit for rates in performance data.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::SwapIn => "MiB/s",
            Self::SwapUsed => "MiB",
            _ => "%",
        }
    }

    /// The unit in performance data.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::SwapIn => "",
            Self::SwapUsed => "MB",
            _ => "%",
        }
    }

    /// The maximum, if there is one. Stalls of a VM may exceed 100 %.
    pub const fn most(self) -> Option<f64> {
        match self {
            Self::Available | Self::PsiSome | Self::GuestAvailable => Some(100.0),
            _ => None,
        }
    }

    /// Default thresholds (warning, critical) of the host or a VM. The warnings are the limits of
    /// the alerts.
    pub const fn defaults(self, of_vm: bool) -> [Option<Range>; 2] {
        match (self, of_vm) {
            (Self::Available, _) => [Some(Range::least(10.0)), Some(Range::least(5.0))],
            (Self::PsiSome, false) => [Some(Range::most(10.0)), Some(Range::most(40.0))],
            (Self::SwapIn, _) => [Some(Range::most(1.0)), Some(Range::most(10.0))],
            (Self::Stalled, _) => [Some(Range::most(10.0)), Some(Range::most(50.0))],
            // Few VMs have their own cgroup, and not all guests report statistics.
            (Self::PsiSome, true) | (Self::SwapUsed | Self::GuestAvailable, _) => [None, None],
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .with_context(|| format!("unknown metric {text:?}; metrics: {}", names()))
    }
}

/// Of the host.
pub fn of_host(host: &HostView) -> Vec<Value> {
    vec![
        share(Metric::Available, &host.memory_available, &host.memory_total),
        value(Metric::PsiSome, &host.psi, |psi| psi.some.avg10),
        value(Metric::SwapIn, &host.swap_in, mib_per_second),
        value(Metric::SwapUsed, &host.swap_used, mib),
    ]
}

/// Of one VM.
pub fn of_vm(vm: &VmView) -> Vec<Value> {
    vec![
        value(Metric::Stalled, &vm.stalled, |share| share.0),
        value(Metric::SwapIn, &vm.swap_in, mib_per_second),
        value(Metric::SwapUsed, &vm.swap, mib),
        value(Metric::PsiSome, &vm.psi, |psi| psi.some.avg10),
        share(Metric::GuestAvailable, &vm.guest_available, &vm.guest_total),
    ]
}

fn mib(bytes: Bytes) -> f64 {
    bytes.0 as f64 / MIB
}

fn mib_per_second(rate: ByteRate) -> f64 {
    rate.0 / MIB
}

fn value<T: Copy>(metric: Metric, measured: &Measured<T>, form: impl Fn(T) -> f64) -> Value {
    let number = measured.value.map(form).filter(|number| number.is_finite());
    Value { metric, number, quality: measured.quality.clone() }
}

fn share(metric: Metric, part: &Measured<Bytes>, whole: &Measured<Bytes>) -> Value {
    let number = part.value.zip(whole.value).and_then(|(part, whole)| part.share_of(whole));
    let quality = part.quality.clone().and(whole.quality.clone());
    Value { metric, number: number.map(|share| share.0), quality }
}
