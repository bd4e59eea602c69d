//! Arguments of `memtrace metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::samples::SamplesArguments;
use memtrace_core::interval;

pub const AFTER_HELP: &str = "\
Names, units and labels are in docs/metrics.md (--describe prints it). Unknown values have no
sample. `memtrace exporter` serves the same metrics over HTTP and keeps a textfile up to date;
`memtrace mitigate --listen` serves those of its decisions as well.

Where `memtrace exporter` or `mitigate` runs, the numbers are of its samples, which members of the
group memtrace may read, and counters count on. Else it measures, with the privileges of
`memtrace top`, and with --textfile leaves out counters that would begin at 0 with each run: no rate
can be made of them.

Examples:
  memtrace metrics
  memtrace metrics --textfile /var/lib/prometheus/node-exporter/memtrace.prom";

#[derive(Args, Clone, Debug)]
pub struct MetricsArguments {
    /// Measurement time, 100ms to 1min; guest statistics refresh every 2 s
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = interval::parse)]
    pub interval: Duration,
    /// Write the Prometheus text format to this file, atomically, for node_exporter's textfile
    /// collector; the name must end in .prom
    #[arg(long, value_name = "PATH", conflicts_with = "format", value_parser = textfile)]
    pub textfile: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "openmetrics")]
    pub format: MetricsForm,
    /// Print the description of all metrics (Markdown) and exit
    #[arg(long, conflicts_with_all = ["textfile", "format"])]
    pub describe: bool,
    #[command(flatten)]
    pub samples: SamplesArguments,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricsForm {
    /// OpenMetrics 1.0
    Openmetrics,
    /// Prometheus text format 0.0.4
    Prometheus,
}

/// The textfile collector reads only *.prom.
pub(crate) fn textfile(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension == "prom" => Ok(path),
        _ => Err("the file name must end in .prom".to_owned()),
    }
}
