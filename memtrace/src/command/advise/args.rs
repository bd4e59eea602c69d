//! What can be typed after `memtrace advise`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::{Span, SpanRelativeTo};

use crate::cli::ColorChoice;
use crate::prometheus::Address;
use memtrace_core::units::Bytes;

pub const AFTER_HELP: &str = "\
A VM's need is its size less what its guest could give up at once, by the guest's own statistics;
one sample in ten seconds is looked at.
  maximum   its peak, its growth over the next 30 days (no longer than it was seen), and a fifth
  initial   what it needed for 99 % of the time, and a fifth
  minimum   p95 of the hour of the day in which it needs least, and a fifth; 512 MiB at least
One that suffered (almost nothing available, swapping, an OOM kill in the guest) gets a quarter
more than it had then. It is raised when its p95 comes within a fifth of its size, when it
suffered or when its peaks grow, as far as the host has room; it is lowered when it would do with
nine tenths, and not before a week is known.

How sure a figure is: high from 14 days on with nine tenths of the time known, medium from 3 days
and half of the time, low from 6 hours on. Below there is too little data, and no figure.
What isn't known is said, and never taken for zero.

From a Prometheus (--prometheus) come the same figures, by a point in five minutes of a month, and
the most of what lies between two points. What lies between two scrapes nobody saw, so that no
figure is surer than medium. Passwords and TLS are a proxy's business.

Overcommit that is safe: as much as makes what all VMs needed at the same moment, and a fifth,
fill what the host has without its reserve and its own use; at most twice what is installed. It
takes balloons that hand over what isn't needed: without them guests keep their caches.

Swap: room for the dead memory of all VMs and a fifth, and for what peaks lack (what all needed at
the same moment, and a fifth, less what is usable); at most what is installed where use is steady,
twice that where it isn't. VMs of priority high in the configuration shouldn't be in it.

Dead memory is what the host keeps of a VM (in memory and swap) beyond what its guest uses. What
of it is in swap lies between what doesn't fit into its resident memory, and all that is there.

Examples:
  memtrace advise                        all VMs and the host, by the last 30 days recorded
  memtrace advise web --since 7d
  memtrace advise --add 16G              and what one more VM of 16 GiB would mean
  memtrace advise --apply-to /etc/memtrace/memtrace.toml
  memtrace advise --json --dir /srv/recordings
  memtrace advise --prometheus http://prometheus:9090 --host node7";

#[derive(Args, Clone, Debug)]
pub struct AdviseArguments {
    /// Only this VM: its name or UUID
    pub vm: Option<String>,
    /// Of so much time before the recording's end, or before now: 12h, 7d, 4w
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = span)]
    pub since: Duration,
    /// What was recorded: a directory, or one file
    #[arg(long, value_name = "DIR", default_value = memtrace_store::recording::DIRECTORY)]
    pub dir: PathBuf,
    /// What a Prometheus remembers of this host's metrics (docs/metrics.md), in place of a
    /// recording: http://HOST:PORT, with the path that it is served under
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    pub prometheus: Option<Address>,
    /// Which of its hosts: an instance, with or without its port, or a host's own name
    #[arg(long, value_name = "INSTANCE", requires = "prometheus")]
    pub host: Option<String>,
    /// What would happen if one more VM of this size came: 16G, 512M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub add: Option<Bytes>,
    /// Whose reserve, floor and signs of distress count [default: /etc/memtrace/memtrace.toml, or
    /// the usual ones]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON: one document
    #[arg(long)]
    pub json: bool,
    /// Write the balloons' bounds into this configuration: the change is shown first, and made
    /// when you agree. Comments stay. VMs whose sizes are of low certainty are left out
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub apply_to: Option<PathBuf>,
    /// Don't ask
    #[arg(long, requires = "apply_to")]
    pub yes: bool,
    /// Use colours; `auto` honours NO_COLOR and asks whether the output is a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// Days are of 24 hours.
fn span(text: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let length = length.and_then(|length| Duration::try_from(length).ok());
    length
        .filter(|length| !length.is_zero())
        .ok_or_else(|| "not a time, as 12h, 7d and 4w are".to_owned())
}

/// In powers of 1024, with or without `iB`.
fn size(text: &str) -> Result<Bytes, String> {
    let wrong = || "not a size, as 16G and 512M are".to_owned();
    let short = text.strip_suffix("iB").unwrap_or(text);
    let (number, unit) = short.split_at_checked(short.len().saturating_sub(1)).ok_or_else(wrong)?;
    let scale = match unit {
        "M" => 1_u64 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim_end().parse().map_err(|_| wrong())?;
    let bytes = number * scale as f64;
    // No host has so much, and sums of it don't overflow.
    let fits = number.is_finite() && (1.0..=(1_u64 << 50) as f64).contains(&bytes);
    fits.then_some(Bytes(bytes as u64)).ok_or_else(wrong)
}
