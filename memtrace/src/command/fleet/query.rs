//! The queries to Prometheus; their number doesn't depend on the number of hosts. Pure.

/// The metrics of a host that the fleet is made of (docs/metrics.md).
pub const OF_HOST: [&str; 14] = [
    "memtrace_sample_timestamp_seconds",
    "memtrace_vms",
    INFO,
    "memtrace_host_memory_bytes",
    "memtrace_host_memory_available_bytes",
    "memtrace_host_swap_bytes",
    "memtrace_host_swap_used_bytes",
    "memtrace_host_swap_in_bytes_per_second",
    "memtrace_host_allocated_bytes",
    "memtrace_host_overcommit_ratio",
    "memtrace_host_reclaimable_bytes",
    "memtrace_host_state",
    "memtrace_host_forecast_seconds",
    "memtrace_enforcing",
];

/// Has the host name.
pub const INFO: &str = "memtrace_host_info";

/// Labels of these metrics; all other labels of a series identify its host.
pub const OWN_LABELS: [&str; 7] = ["__name__", "state", "what", "hostname", "kernel", "name", "id"];

/// Number of stalled VMs shown per host.
pub const SUFFERERS: usize = 3;

/// How long a host without data is remembered.
pub const MEMORY: &str = "1h";

/// One query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// All of [`OF_HOST`], of all hosts.
    Hosts,
    /// The last data of each host within [`MEMORY`], and its name.
    Seen,
    /// Whether their scrapes succeed.
    Up,
    /// The most stalled VMs of each host.
    Sufferers,
}

impl Query {
    /// In PromQL.
    pub fn text(self) -> String {
        match self {
            Self::Hosts => format!("{{__name__=~\"{}\"}}", OF_HOST.join("|")),
            Self::Seen => {
                format!("last_over_time({{__name__=~\"{}|{INFO}\"}}[{MEMORY}])", OF_HOST[0])
            }
            Self::Up => {
                format!("up and on (job, instance) last_over_time({}[{MEMORY}])", OF_HOST[0])
            }
            Self::Sufferers => {
                format!("topk without (name, id) ({SUFFERERS}, memtrace_vm_stalled_ratio)")
            }
        }
    }

    /// The information that is missing without its answer.
    pub const fn tells(self) -> &'static str {
        match self {
            Self::Hosts => "host metrics",
            Self::Seen => "hosts without data",
            Self::Up => "scrape status",
            Self::Sufferers => "stalled VMs",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_view::export::metrics::catalogue::all;

    #[test]
    fn what_is_asked_for_is_in_the_table_of_metrics() {
        let table = all();
        for name in OF_HOST {
            let found = table.iter().find(|metric| metric.full_name() == name);
            let metric = found.unwrap_or_else(|| panic!("there is no {name}"));
            assert!(metric.labels.iter().all(|label| OWN_LABELS.contains(label)), "{name}");
            assert!(Query::Hosts.text().contains(name));
        }
        assert!(table.iter().any(|metric| metric.full_name() == "memtrace_vm_stalled_ratio"));
    }
}
