//! What can be typed after `memtrace zabbix`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::interval;
use crate::command::zabbix::Place;

pub const AFTER_HELP: &str = "\
Keys are the metrics of docs/metrics.md without `memtrace_`, with the values of their labels
behind colons: vm_faults_total:guest, vm_swap_in_wait_seconds:count, host_info:kernel. Without
its last value a state is told as a word: host_state, signal_quality:swap_in.

What isn't known is ZBX_NOTSUPPORTED with the reason, and never 0. The exit status is then 1.

packaging/zabbix has the agent's UserParameters and a template for Zabbix 6.0.

Examples:
  memtrace zabbix discover --from :9435
  memtrace zabbix get host_memory_available_bytes --from :9435
  memtrace zabbix get vm_swap_bytes web --from /var/lib/memtrace/memtrace.prom";

#[derive(Args, Clone, Debug)]
pub struct ZabbixArguments {
    #[command(subcommand)]
    pub command: ZabbixCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ZabbixCommand {
    /// The VMs, for low-level discovery: {#VM.NAME}, {#VM.ID}, {#VM.VMM}, {#VM.ACCELERATOR}
    Discover(ZabbixSource),
    /// One value, of the host or of a VM
    #[command(after_help = AFTER_HELP)]
    Get {
        /// What: a metric without `memtrace_`, as in host_swap_used_bytes
        key: String,
        /// Of this VM: its name, its UUID, or {#VM.ID}
        vm: Option<String>,
        #[command(flatten)]
        source: ZabbixSource,
    },
}

/// Where numbers come from.
#[derive(Args, Clone, Debug)]
pub struct ZabbixSource {
    /// Take them from a running memtrace: where `mitigate --listen` listens (:9435, unix:/PATH),
    /// or the file of `metrics --textfile` (/FILE.prom). Needs no privileges. Without it: a look
    /// of its own, with the privileges of `memtrace top`
    #[arg(long, value_name = "PLACE")]
    pub from: Option<Place>,
    /// Seconds that a look of its own takes, 0.1 to 60
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
    pub interval: Duration,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
}
