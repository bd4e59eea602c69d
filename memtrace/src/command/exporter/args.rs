//! Arguments of `memtrace exporter`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use memtrace_core::interval;

use crate::command::metrics::args::textfile;
use crate::command::mitigate::args::address;
use crate::sys::address::Address;

pub const AFTER_HELP: &str = "\
Samples all the time and decides nothing, so that counters count on from one scrape to the next.
Where `memtrace mitigate` runs, its `--listen` serves the same metrics: one of the two is enough. The
decisions of a mitigator on this host are served as well, where its journal can be read.

Names, units and labels are in docs/metrics.md. There is no authentication. Ctrl-C and SIGTERM stop it.

Examples:
  memtrace exporter
  memtrace exporter --listen unix:/run/memtrace/metrics.sock
  memtrace exporter --textfile /var/lib/prometheus/node-exporter/memtrace.prom";

#[derive(Args, Clone, Debug)]
pub struct ExporterArguments {
    /// Serve metrics at /metrics: 127.0.0.1:9435, :9435 (loopback only), or
    /// unix:/run/memtrace/metrics.sock [default: of the configuration, else :9435; nowhere with
    /// --textfile]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<Address>,
    /// Write the Prometheus text format to this file, atomically and again and again, for
    /// node_exporter's textfile collector; the name must end in .prom
    #[arg(long, value_name = "PATH", value_parser = textfile)]
    pub textfile: Option<PathBuf>,
    /// Time between two writes of the file, 100ms to 1min
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = interval::parse, requires = "textfile")]
    pub every: Duration,
    /// Serve samples on this Unix socket to other memtraces (`top`, `metrics`, `check` and others),
    /// which then load no programs. Where one serves there already, use its samples [default:
    /// samples.socket of the configuration]
    #[arg(long, value_name = "SOCKET")]
    pub samples: Option<PathBuf>,
    /// Measure also where another memtrace runs whose samples can be read
    #[arg(long)]
    pub attach: bool,
    /// Measure, with all hooks attached all the time, those that fire in each page fault too
    #[arg(long)]
    pub always: bool,
    /// Sampling interval, 100ms to 1min
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = interval::parse)]
    pub interval: Duration,
    /// Configuration (FILE and FILE's .d/*.toml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
}
