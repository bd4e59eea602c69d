//! The kernel side's counters as a document has them: a counter whose hook is not there is
//! unknown (`null`), and not the zero at which it stays. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memtrace_ebpf::{HostCounters, VmCounters};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::sample::HostCountersSample;
use crate::signal::{Signal, SignalStatus};
use crate::units::{Nanos, Pages};

/// The counters' names in [`VmCounters`] and [`HostCounters`], whose hook feeds each (losses are
/// counted by all programs), and what they count.
const COUNTERS: [(&str, Option<Signal>, &str); 46] = [
    ("guest_faults", Some(Signal::GuestFaults), "EPT or NPT violations."),
    ("user_faults", Some(Signal::UserFaults), "Page faults of its threads."),
    ("kernel_faults", Some(Signal::KernelFaults), "Page faults in the kernel on its behalf."),
    ("major_faults", Some(Signal::MajorFaults), "Major faults, asynchronous ones included."),
    ("swap_read_pages", Some(Signal::MajorFaults), "Read from swap, readahead included."),
    ("swap_write_pages", Some(Signal::MajorFaults), "Written to swap."),
    ("swap_in_pages", Some(Signal::SwapIn), "Swap-ins."),
    ("swap_in_remote_pages", Some(Signal::SwapIn), "Swap-ins by a foreign task."),
    ("async_faults", Some(Signal::AsyncFaults), "Asynchronous faults started."),
    ("async_faults_done", Some(Signal::AsyncFaults), "Asynchronous faults completed."),
    ("async_fault_ns", Some(Signal::AsyncFaults), "Total time of asynchronous faults."),
    ("direct_reclaims", Some(Signal::DirectReclaim), "Direct reclaims."),
    ("direct_reclaim_ns", Some(Signal::DirectReclaim), "Total time in direct reclaim."),
    ("memcg_reclaims", Some(Signal::MemcgReclaim), "Memcg reclaims."),
    ("memcg_reclaim_ns", Some(Signal::MemcgReclaim), "Total time of its threads in memcg reclaim."),
    ("reclaimed_pages", Some(Signal::DirectReclaim), "Pages reclaimed by it, from any party."),
    ("throttles", Some(Signal::Throttling), "Throttles in reclaim."),
    ("throttled_ns", Some(Signal::Throttling), "Total time in throttles."),
    ("compactions", Some(Signal::Compaction), "Direct compactions."),
    ("compaction_ns", Some(Signal::Compaction), "Total time in direct compaction."),
    ("kswapd_wakeups", Some(Signal::Kswapd), "Wakeups of kswapd by it."),
    ("swap_out_pages", Some(Signal::SwapOut), "Pages unmapped to swap by reclaim."),
    (
        "shmem_taken_pages",
        Some(Signal::ShmemTaken),
        "Pages of its shared memory unmapped by reclaim.",
    ),
    ("reclaim_write_pages", Some(Signal::ReclaimWrites), "Pages written by reclaim."),
    ("oom_kills", Some(Signal::OomKills), "Its processes killed by the OOM killer."),
    ("oom_caused", Some(Signal::OomKills), "OOM kills triggered by its allocations."),
    ("swap_in_majors", Some(Signal::SwapInWait), "Swap-in waits that were major faults."),
    ("swap_in_waits", Some(Signal::SwapInWait), "Swap-in waits of its threads."),
    ("swap_in_wait_ns", Some(Signal::SwapInWait), "Total time in them."),
    (
        "swap_in_remote_waits",
        Some(Signal::SwapInWait),
        "Swap-in waits of foreign tasks for its pages.",
    ),
    ("swap_in_remote_wait_ns", Some(Signal::SwapInWait), "Total time in them."),
    ("throttle_waits", Some(Signal::ThrottleWait), "Throttle waits before direct reclaim."),
    ("throttle_wait_ns", Some(Signal::ThrottleWait), "Total time in them."),
    (
        "shmem_swap_out_pages",
        Some(Signal::ShmemSwap),
        "Pages of its shared memory written to swap.",
    ),
    ("shmem_swap_in_pages", Some(Signal::ShmemSwap), "Pages of its shared memory swapped in."),
    ("caused_pages", Some(Signal::Flows), "Pages taken by it in reclaim, from any party."),
    ("kswapd_wakes", Some(Signal::Kswapd), "Times that kswapd woke up."),
    ("kswapd_sleeps", Some(Signal::Kswapd), "Times that it went to sleep."),
    ("kswapd_active_ns", Some(Signal::Kswapd), "Time kswapd was active."),
    ("lost_events", None, "As `events` in `losses`."),
    ("lost_slots", None, "As `slots`."),
    ("lost_stalls", None, "As `stalls`."),
    ("lost_async_faults", None, "As `async_faults`."),
    ("lost_flow_pages", None, "As `flow_pages`."),
    ("lost_address_spaces", None, "As `address_spaces`."),
    ("failed_reads", None, "As `failed_reads`."),
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

/// Counters that belong to no VM, since memtrace started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostTotals {
    /// Counters of the host.
    pub host: Totals<HostCounters>,
    /// Counters of kswapd.
    pub kswapd: Totals<VmCounters>,
    /// Counters of everything but VMs and kswapd.
    pub other: Totals<VmCounters>,
    /// VMs killed by the OOM killer, also those that are gone.
    #[serde(default)]
    pub vm_oom_kills: Option<u64>,
    /// Events for which the eBPF program was not run.
    pub missed_runs: Option<u64>,
    /// `missed_runs` by signal, where there were any.
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
        let stays_zero =
            |signal: Option<Signal>| signal.is_some_and(|it| self.unhooked.contains(&it));
        for (name, ..) in COUNTERS.iter().filter(|(_, signal, _)| stays_zero(*signal)) {
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
        for (name, signal, _) in COUNTERS {
            if let Some(value) = fields.get_mut(name).filter(|value| value.is_null()) {
                unhooked.extend(signal);
                *value = 0.into();
            }
        }
        let counters = serde_json::to_value(fields)
            .and_then(serde_json::from_value)
            .map_err(D::Error::custom)?;
        Ok(Self { counters, unhooked: Arc::new(unhooked) })
    }
}

impl JsonSchema for Totals<VmCounters> {
    fn schema_name() -> Cow<'static, str> {
        "Counters".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema_of(VmCounters::ZERO, "Totals", generator)
    }
}

impl JsonSchema for Totals<HostCounters> {
    fn schema_name() -> Cow<'static, str> {
        "HostCounters".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema_of(HostCounters::ZERO, "Totals of the host", generator)
    }
}

/// By [`COUNTERS`]: comments of the ABI's fields name their hooks, and the eBPF programs have no
/// use for schemas. A counter that isn't in the table has no description, which a test finds.
fn schema_of<T: Serialize>(counters: T, title: &str, generator: &mut SchemaGenerator) -> Schema {
    let has = serde_json::to_value(counters).unwrap_or_default();
    let rows = COUNTERS.iter().filter(|(name, ..)| has.get(name).is_some());
    let mut properties = Map::new();
    for (name, _, help) in rows.clone() {
        let mut schema = match name.rsplit('_').next() {
            Some("ns") => generator.subschema_for::<Option<Nanos>>(),
            Some("pages") => generator.subschema_for::<Option<Pages>>(),
            _ => generator.subschema_for::<Option<u64>>(),
        };
        schema.insert("description".to_owned(), (*help).into());
        properties.insert((*name).to_owned(), schema.into());
    }
    json_schema!({
        "description": format!("{title}; `null` where this kernel has no hook for one."),
        "type": "object",
        "properties": properties,
        "required": rows.map(|(name, ..)| *name).collect::<Vec<_>>(),
    })
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
    fn every_counter_is_in_the_table_and_fed_by_a_signal_or_a_loss() {
        let mut fields = serde_json::to_value(VmCounters::ZERO).unwrap();
        let of_host = serde_json::to_value(HostCounters::ZERO).unwrap();
        fields.as_object_mut().unwrap().extend(of_host.as_object().unwrap().clone());
        let names: BTreeSet<&str> = fields.as_object().unwrap().keys().map(|n| &**n).collect();
        assert_eq!(COUNTERS.iter().map(|(name, ..)| *name).collect::<BTreeSet<_>>(), names);
        let fed_by_all = COUNTERS.iter().filter(|(_, signal, _)| signal.is_none());
        assert!(
            fed_by_all
                .clone()
                .all(|(name, ..)| name.starts_with("lost_") || *name == "failed_reads")
        );
        assert_eq!(fed_by_all.count(), 7);
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
