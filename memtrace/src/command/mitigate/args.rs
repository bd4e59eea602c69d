//! Arguments of `memtrace mitigate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::count;
use crate::sys::address::Address;
use memtrace_core::interval;

pub const AFTER_HELP: &str = "\
Actions on a VM: setting its balloon target through libvirt or QMP, and reclaiming cold pages
through its cgroup (memory.reclaim). It never kills. Each decision is printed with its reasons and
written to the journal; `memtrace explain` also explains why nothing is done.

Ctrl-C and SIGTERM stop it: balloon targets stay, or with `give_back = true` are restored as far as
free memory allows, for at most 30 s (a second Ctrl-C aborts that). SIGHUP reloads the
configuration. Only one instance acts on a host, and only one runs per state directory.

Examples:
  memtrace mitigate                   observe: print decisions, change nothing
  memtrace mitigate --enforce         act
  memtrace mitigate --listen :9435    serve metrics at http://127.0.0.1:9435/metrics
  memtrace mitigate --json            snapshots and decisions as JSON lines";

#[derive(Args, Clone, Debug)]
pub struct MitigateArguments {
    /// Act on VMs, overriding the configured mode. Default (mode = "observe"): only print and
    /// journal decisions
    #[arg(long)]
    pub enforce: bool,
    /// Configuration, and its .d/*.toml [default: /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sampling interval, 100ms to 1min [default: of the configuration, else 1s]
    #[arg(short, long, value_name = "DURATION", value_parser = interval::parse)]
    pub interval: Option<Duration>,
    /// Directory of the journal [default: journal.directory of the configuration, else
    /// /var/lib/memtrace]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Serve Prometheus metrics at /metrics: 127.0.0.1:9435, :9435 (loopback only), or
    /// unix:/run/memtrace/metrics.sock. No authentication
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<Address>,
    /// Print JSON lines, one document per interval: snapshot and decisions
    #[arg(long)]
    pub json: bool,
    /// Exit after N intervals
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub count: Option<u64>,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
    /// Keep all hooks attached all the time, those that fire in each page fault too
    #[arg(long)]
    pub always: bool,
}

// clap shows only the outermost message of an error.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error| format!("must be {error:#}"))
}
