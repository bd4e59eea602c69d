//! What can be typed after `memtrace check`.

use std::time::Duration;

use clap::Args;

use crate::cli::interval;
use crate::command::check::metric::Metric;
use crate::command::check::range::Range;

pub const AFTER_HELP: &str = "\
Metrics of the host, with their thresholds (warning, critical) unless others are typed:
  available        % of the memory that is available          10:  5:
  psi_some         % of the last 10 s that tasks waited       10   40
  swap_in          MiB/s that come back from swap             1    10
  swap_used        MiB in swap
Of a VM:
  stalled          % of the time that it waited for memory    10   50
  swap_in          MiB/s that come back from swap             1    10
  swap_used        MiB in swap
  psi_some         % of the last 10 s, of a cgroup of its own
  guest_available  % of its memory that the guest has left

RANGE is as the guidelines of the monitoring plugins have it, and says what is fine: 10 (from 0
to 10), 10: (10 or more), ~:10 (10 or less), 10:20, @10:20 (anything else). Who types one
threshold of a metric replaces both of it; without RANGE (swap_in=) there is none.

It needs the privileges of `memtrace top`.

Exit status:
  0   OK
  1   WARNING
  2   CRITICAL
  3   UNKNOWN: something that has a threshold is not known, or there was no look; says why

Examples:
  memtrace check                              the host
  memtrace check web -w stalled=5 -c stalled=20
  memtrace check -w available=15: -c available=8: -w psi_some=";

#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// The VM, by name, UUID or (without a UUID) process id; the host without
    pub vm: Option<String>,
    /// Warn when METRIC is out of RANGE; may be given for several
    #[arg(short, long, value_name = "METRIC=RANGE", value_parser = threshold)]
    pub warning: Vec<Threshold>,
    /// Critical when METRIC is out of RANGE; may be given for several
    #[arg(short, long, value_name = "METRIC=RANGE", value_parser = threshold)]
    pub critical: Vec<Threshold>,
    /// Seconds that it looks, 0.1 to 60; guests answer every two
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = interval)]
    pub interval: Duration,
    /// Print JSON, one document on one line
    #[arg(long)]
    pub json: bool,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
}

/// A threshold as it was typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    pub metric: Metric,
    /// `None`: there is to be none.
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
