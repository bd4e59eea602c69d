//! Arguments of `memtrace check`.

use std::time::Duration;

use clap::Args;

use crate::cli::samples::SamplesArguments;
use crate::command::check::metric::Metric;
use crate::command::check::range::Range;
use crate::command::scraped::MetricsSource;
use memtrace_core::interval;

pub const AFTER_HELP: &str = "\
Host metrics, and their default thresholds (warning, critical):
  available        available memory, %                        10:  5:
  psi_some         PSI memory some, 10 s average, %           10   40
  swap_in          swap-in rate, MiB/s                        1    10
  swap_used        swap used, MiB
VM metrics:
  stalled          time stalled on memory, %                  10   50
  swap_in          swap-in rate, MiB/s                        1    10
  swap_used        swap used, MiB
  psi_some         PSI memory some of the VM's own cgroup, 10 s average, %
  guest_available  memory available in the guest, % of its size

RANGE: Nagios plugin range that counts as OK: 10 (0 to 10), 10: (10 or more), ~:10 (10 or less),
10:20, @10:20 (outside of it). Giving one threshold of a metric replaces both defaults; METRIC=
disables it.

Where `memtrace exporter` or `mitigate` runs, the numbers are of its samples, which members of the
group memtrace may read. Else it measures, with the privileges of `memtrace top`. With --source it
needs neither.

Exit status:
  0   OK
  1   WARNING
  2   CRITICAL
  3   UNKNOWN: a metric with a threshold is unavailable, or sampling failed; the reason is printed

Examples:
  memtrace check                              the host
  memtrace check web -w stalled=5 -c stalled=20
  memtrace check web --source :9435           by the numbers of a running memtrace
  memtrace check -w available=15: -c available=8: -w psi_some=";

#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// VM to check, by name, UUID, (without a UUID) process id, or as its platform calls it
    /// [default: the host]
    pub vm: Option<String>,
    /// Return WARNING if METRIC is outside RANGE; repeatable
    #[arg(short, long, value_name = "METRIC=RANGE", value_parser = threshold)]
    pub warning: Vec<Threshold>,
    /// Return CRITICAL if METRIC is outside RANGE; repeatable
    #[arg(short, long, value_name = "METRIC=RANGE", value_parser = threshold)]
    pub critical: Vec<Threshold>,
    /// Read from a running memtrace: the address of `mitigate --listen` (:9435, unix:/PATH), or the
    /// file of `exporter --textfile` (/FILE.prom). Requires no privileges. Without it: as --samples
    /// says
    #[arg(long, value_name = "PLACE", conflicts_with_all = ["interval", "no_libvirt", "attach", "samples", "always"])]
    pub source: Option<MetricsSource>,
    /// Measurement time, 100ms to 1min; guest statistics refresh every 2 s
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = interval::parse)]
    pub interval: Duration,
    /// Print one JSON document on one line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub samples: SamplesArguments,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
}

/// A threshold given on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    pub metric: Metric,
    /// `None`: the default threshold is disabled.
    pub range: Option<Range>,
}

fn threshold(text: &str) -> Result<Threshold, String> {
    let (metric, range) = text.split_once('=').ok_or("not METRIC=RANGE")?;
    let metric = metric.parse().map_err(|error| format!("{error:#}"))?;
    let range = match range {
        "" => None,
        range => Some(range.parse().map_err(|error| format!("{error:#}"))?),
    };
    Ok(Threshold { metric, range })
}
