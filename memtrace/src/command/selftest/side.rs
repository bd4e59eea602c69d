//! One process as counted by memtrace and the kernel, and the growth of the counters. Pure.

use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::sample::MemoryStat;
use memtrace_core::signal::{Quality, Signal, SignalStatus};
use memtrace_core::units::{ByteRate, Rate};

/// The kernel's counters of one process. `None`: not available.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    pub swap_pages: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    /// The delay accounting's.
    pub reclaims: Option<u64>,
    pub reclaim_ns: Option<u64>,
    /// Of the cgroup that is its own, as are the next.
    pub stat: Option<MemoryStat>,
    pub limit_hits: Option<u64>,
    /// Of the whole host: huge pages that faults did without because of a limit, without
    /// any reclaim.
    pub huge_pages_refused: Option<u64>,
    /// `some` of memory.pressure.
    pub pressure_us: Option<u64>,
}

/// Both sides of one process, and how much each grew.
pub struct Side<'a> {
    pub view: &'a VmView,
    pub from: &'a KernelCounters,
    pub to: &'a KernelCounters,
    /// The quality of each signal, including missed events.
    pub signals: &'a [SignalStatus],
    pub seconds: f64,
    pub page_size: f64,
}

impl Side<'_> {
    pub fn events(&self, rate: &Measured<Rate>) -> Measured<f64> {
        rate.clone().map(|rate| (rate.0 * self.seconds).round())
    }

    pub fn pages(&self, rate: &Measured<ByteRate>) -> Measured<f64> {
        rate.clone().map(|rate| (rate.0 * self.seconds / self.page_size).round())
    }

    pub fn kernel(&self, counter: impl Fn(&KernelCounters) -> Option<u64>) -> Option<f64> {
        Some(grown(counter(self.from)?, counter(self.to)?))
    }

    pub fn stat(&self, line: impl Fn(&MemoryStat) -> Option<u64>) -> Option<f64> {
        self.kernel(|counters| line(counters.stat.as_ref()?))
    }

    pub fn quality(&self, signal: Signal) -> Quality {
        let status = self.signals.iter().find(|status| status.signal == signal);
        let unknown = || Quality::absent("unknown signal");
        status.map_or_else(unknown, |status| status.quality.clone())
    }

    pub fn swap_growth(&self) -> f64 {
        grown(self.from.swap_pages, self.to.swap_pages)
    }
}

/// A sum; its quality is the worse of the two.
pub fn plus(one: Measured<f64>, other: Measured<f64>) -> Measured<f64> {
    let sum = one.value.zip(other.value).map(|(one, other)| one + other);
    Measured::new(sum, one.quality.and(other.quality))
}

/// Growth as a number with a sign; exact up to 2^53.
pub fn grown(from: u64, to: u64) -> f64 {
    to as f64 - from as f64
}
