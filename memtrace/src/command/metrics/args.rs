//! What can be typed after `memtrace metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::interval;

pub const AFTER_HELP: &str = "\
Names, units and labels are in docs/metrics.md (--describe prints it). What isn't known has no
sample. `memtrace mitigate --listen` tells the same to Prometheus itself, and beside it what is
decided.

It needs the privileges of `memtrace top`.

Examples:
  memtrace metrics
  memtrace metrics --textfile /var/lib/prometheus/node-exporter/memtrace.prom";

#[derive(Args, Clone, Debug)]
pub struct MetricsArguments {
    /// Seconds that it looks, 0.1 to 60; guests answer every two
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
    pub interval: Duration,
    /// Write Prometheus' text format into this file, whole at every moment, for node_exporter's
    /// textfile collector; its name has to end in .prom
    #[arg(long, value_name = "PATH", conflicts_with = "format", value_parser = textfile)]
    pub textfile: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "openmetrics")]
    pub format: MetricsForm,
    /// Print what each metric means (Markdown), and don't look
    #[arg(long, conflicts_with_all = ["textfile", "format"])]
    pub describe: bool,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricsForm {
    /// OpenMetrics 1.0
    Openmetrics,
    /// Prometheus' text format 0.0.4
    Prometheus,
}

/// The collector reads nothing else.
fn textfile(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension == "prom" => Ok(path),
        _ => Err("its name has to end in .prom".to_owned()),
    }
}
