//! The kernel side's counters as a document has them: a counter whose hook is not there is
//! unknown (`null`), and not the zero at which it stays. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memtrace_ebpf::{HostCounters, VmCounters};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::sample::HostCountersSample;
use crate::signal::{Signal, SignalStatus};

/// Which signal's hook feeds each counter.
const FED_BY: [(&str, Signal); 38] = [
    ("guest_faults", Signal::GuestFaults),
    ("user_faults", Signal::UserFaults),
    ("kernel_faults", Signal::KernelFaults),
    ("major_faults", Signal::MajorFaults),
    ("swap_read_pages", Signal::MajorFaults),
    ("swap_write_pages", Signal::MajorFaults),
    ("swap_in_pages", Signal::SwapIn),
    ("swap_in_remote_pages", Signal::SwapIn),
    ("async_faults", Signal::AsyncFaults),
    ("async_faults_done", Signal::AsyncFaults),
    ("async_fault_ns", Signal::AsyncFaults),
    ("direct_reclaims", Signal::DirectReclaim),
    ("direct_reclaim_ns", Signal::DirectReclaim),
    ("memcg_reclaims", Signal::MemcgReclaim),
    ("memcg_reclaim_ns", Signal::MemcgReclaim),
    ("reclaimed_pages", Signal::DirectReclaim),
    ("throttles", Signal::Throttling),
    ("throttled_ns", Signal::Throttling),
    ("compactions", Signal::Compaction),
    ("compaction_ns", Signal::Compaction),
    ("kswapd_wakeups", Signal::Kswapd),
    ("swap_out_pages", Signal::SwapOut),
    ("shmem_taken_pages", Signal::ShmemTaken),
    ("reclaim_write_pages", Signal::ReclaimWrites),
    ("oom_kills", Signal::OomKills),
    ("oom_caused", Signal::OomKills),
    ("swap_in_majors", Signal::SwapInWait),
    ("swap_in_waits", Signal::SwapInWait),
    ("swap_in_wait_ns", Signal::SwapInWait),
    ("swap_in_remote_waits", Signal::SwapInWait),
    ("swap_in_remote_wait_ns", Signal::SwapInWait),
    ("throttle_waits", Signal::ThrottleWait),
    ("throttle_wait_ns", Signal::ThrottleWait),
    ("shmem_swap_out_pages", Signal::ShmemSwap),
    ("shmem_swap_in_pages", Signal::ShmemSwap),
    ("kswapd_wakes", Signal::Kswapd),
    ("kswapd_sleeps", Signal::Kswapd),
    ("kswapd_active_ns", Signal::Kswapd),
];

/// Signals that have no hook here.
pub type Unhooked = Arc<BTreeSet<Signal>>;

/// The signals whose counters stay at zero. A signal of which nothing is known has no hook.
pub(super) fn unhooked(signals: &[SignalStatus]) -> Unhooked {
    let hooked =
        |signal: &Signal| signals.iter().any(|status| status.signal == *signal && status.hooked);
    Arc::new(Signal::ALL.into_iter().filter(|signal| !hooked(signal)).collect())
}

/// Counters of one row, [`VmCounters`] or [`HostCounters`], totals since counting began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals<T> {
    pub counters: T,
    pub unhooked: Unhooked,
}

/// Those that belong to no VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostTotals {
    pub host: Totals<HostCounters>,
    /// The row of kswapd.
    pub kswapd: Totals<VmCounters>,
    /// The row of everything that is neither a VM nor kswapd.
    pub other: Totals<VmCounters>,
    /// VMs that the OOM killer chose, those that are gone with it too. `None`: not known.
    #[serde(default)]
    pub vm_oom_kills: Option<u64>,
    /// As [`HostCountersSample`] has them.
    pub missed_runs: Option<u64>,
    pub missed_by_signal: BTreeMap<Signal, u64>,
}

impl HostTotals {
    pub(super) fn new(sample: HostCountersSample, unhooked: &Unhooked) -> Self {
        let HostCountersSample { host, kswapd, other, vm_oom_kills, missed_runs, missed_by_signal } =
            sample;
        let vm_oom_kills = vm_oom_kills.filter(|_| !unhooked.contains(&Signal::OomKills));
        let row = |counters| Totals { counters, unhooked: unhooked.clone() };
        let host = Totals { counters: host, unhooked: unhooked.clone() };
        let (kswapd, other) = (row(kswapd), row(other));
        Self { host, kswapd, other, vm_oom_kills, missed_runs, missed_by_signal }
    }
}

impl<T: Serialize> Serialize for Totals<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serde_json::to_value(&self.counters).map_err(S::Error::custom)?;
        for (name, _) in FED_BY.iter().filter(|(_, signal)| self.unhooked.contains(signal)) {
            if let Some(value) = fields.get_mut(*name) {
                *value = Value::Null;
            }
        }
        fields.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Totals<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut unhooked = BTreeSet::new();
        for (name, signal) in FED_BY {
            if let Some(value) = fields.get_mut(name).filter(|value| value.is_null()) {
                unhooked.insert(signal);
                *value = 0.into();
            }
        }
        let counters = serde_json::to_value(fields)
            .and_then(serde_json::from_value)
            .map_err(D::Error::custom)?;
        Ok(Self { counters, unhooked: Arc::new(unhooked) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Quality;

    fn status(signal: Signal, hooked: bool) -> SignalStatus {
        SignalStatus { signal, source: None, hooked, quality: Quality::Exact }
    }

    fn totals(hooked: &[Signal]) -> Totals<VmCounters> {
        let signals: Vec<_> = hooked.iter().map(|signal| status(*signal, true)).collect();
        let counters = VmCounters { swap_in_pages: 7, ..VmCounters::ZERO };
        Totals { counters, unhooked: unhooked(&signals) }
    }

    #[test]
    fn every_counter_is_fed_by_a_signal() {
        let fed: BTreeSet<&str> = FED_BY.iter().map(|(name, _)| *name).collect();
        let fields = serde_json::to_value(VmCounters::ZERO).unwrap();
        let mut names = fields.as_object().unwrap().keys();
        assert!(names.all(|name| fed.contains(name.as_str())), "{names:?}");
        // Losses are counted by all programs.
        let fields = serde_json::to_value(HostCounters::default()).unwrap();
        let rest = fields.as_object().unwrap().keys().filter(|name| !fed.contains(name.as_str()));
        assert!(rest.clone().all(|name| name.starts_with("lost_") || name == "failed_reads"));
        assert_eq!(rest.count(), 7);
    }

    #[test]
    fn a_counter_without_a_hook_is_null_and_one_with_a_hook_may_be_zero() {
        let value = serde_json::to_value(totals(&[Signal::SwapIn, Signal::OomKills])).unwrap();
        assert_eq!(
            (value["swap_in_pages"].as_u64(), value["oom_kills"].as_u64()),
            (Some(7), Some(0))
        );
        assert!(value["swap_out_pages"].is_null() && value["throttles"].is_null());
    }

    #[test]
    fn what_was_written_is_read_again() {
        let mut hooked = Signal::ALL.to_vec();
        hooked.retain(|signal| *signal != Signal::Throttling);
        let written = totals(&hooked);
        let read: Totals<VmCounters> =
            serde_json::from_value(serde_json::to_value(&written).unwrap()).unwrap();
        assert_eq!(read, written);
    }

    #[test]
    fn a_signal_that_is_there_without_a_hook_counts_nothing() {
        let signals = [status(Signal::OomKills, false)];
        assert!(unhooked(&signals).contains(&Signal::OomKills));
    }
}
