//! Arguments of `memtrace zabbix`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::samples::SamplesArguments;
use crate::command::scraped::MetricsSource;
use memtrace_core::interval;

pub const AFTER_HELP: &str = "\
Keys are the metrics of docs/metrics.md without `memtrace_`, followed by label values after
colons: vm_faults_total:guest, vm_swap_in_wait_seconds:count, host_info:kernel. Without the last
label a state is returned as a word: host_state, signal_quality:swap_in.

Unknown values return ZBX_NOTSUPPORTED with the reason, never 0; the exit status is then 1.

packaging/zabbix has templates for Zabbix 6.0: one by HTTP, whose items are made of one page of
metrics, and one by the agent, which starts this command for each item, with its UserParameters.

Examples:
  memtrace zabbix discover --source :9435
  memtrace zabbix get host_memory_available_bytes --source :9435
  memtrace zabbix get vm_swap_bytes web --source /var/lib/memtrace/memtrace.prom";

#[derive(Args, Clone, Debug)]
pub struct ZabbixArguments {
    #[command(subcommand)]
    pub command: ZabbixCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ZabbixCommand {
    /// Low-level discovery of VMs: {#VM.NAME}, {#VM.TITLE}, {#VM.ID}, {#VM.VMM}, {#VM.ACCELERATOR}
    Discover(ZabbixSource),
    /// Get one value of the host or of a VM
    #[command(after_help = AFTER_HELP)]
    Get {
        /// Metric without `memtrace_`, for example host_swap_used_bytes
        key: String,
        /// VM, by name, UUID, {#VM.ID}, or as its platform calls it [default: the host]
        vm: Option<String>,
        #[command(flatten)]
        source: ZabbixSource,
    },
}

/// Source of the values.
#[derive(Args, Clone, Debug)]
pub struct ZabbixSource {
    /// Read from a running memtrace: the address of `mitigate --listen` (:9435, unix:/PATH), or
    /// the file of `exporter --textfile` (/FILE.prom). Requires no privileges. Without it: as
    /// --samples says
    #[arg(long, alias = "from", value_name = "PLACE", conflicts_with_all = ["attach", "samples", "always"])]
    pub source: Option<MetricsSource>,
    /// Measurement time without --source, 100ms to 1min
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = interval::parse)]
    pub interval: Duration,
    #[command(flatten)]
    pub samples: SamplesArguments,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
}
