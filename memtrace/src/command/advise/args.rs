//! Arguments of `memtrace advise`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{ColorChoice, since, size};
use crate::prometheus::Address;
use crate::prometheus::CredentialsArguments;
use memtrace_core::replay::time::Since;
use memtrace_core::units::Bytes;

pub const AFTER_HELP: &str = "\
Demand of a VM: its size less the guest's available memory, from guest statistics; one sample
every 10 s is evaluated.
  maximum   peak demand + growth over 30 days (at most the period observed) + 20 %
  initial   p99 of demand + 20 %
  minimum   p95 of demand in the quietest hour of the day + 20 %, at least 512 MiB
After distress (almost nothing available, guest swapping, guest OOM kill) the size is at least
1.25 times the size at that time. Sizes are raised when p95 of demand exceeds 80 % of the size, on
distress, or when peaks grow, within the host's room; they are lowered when 90 % would do, after
at least a week of data.

Confidence: high from 14 days with 90 % coverage, medium from 3 days with 50 %, low from 6 hours.
Below that no figure is given. Unknown values are shown as unknown, never as 0.

With --prometheus the figures come from one point per 5 minutes over a month, and the maximum
between points. Values between scrapes are not observed, so confidence is at most medium.
https:// trusts the system's root certificates, and those in SSL_CERT_FILE.

Safe overcommit: the largest at which the simultaneous demand of all VMs + 20 % fits into host
memory less reserve and host use; at most 2 times the installed memory. It requires active
ballooning: without it guests keep their page caches.

Swap: unused memory of all VMs + 20 %, plus peak demand (simultaneous demand + 20 %) beyond usable
memory; at most the installed memory where demand is steady, else twice that. VMs with priority
high in the configuration should not be swapped.

Unused memory (column UNUSED) is what the host holds for a VM (resident and in swap) beyond what
its guest uses. The part in swap is given as a range, from what doesn't fit into resident memory
to all that is in swap.

Examples:
  memtrace advise                        all VMs and the host, over the last 30 days recorded
  memtrace advise web --since 7d
  memtrace advise --add 16G              also evaluate one more VM of 16 GiB
  memtrace advise --apply-to /etc/memtrace/memtrace.toml
  memtrace advise --json --recording /srv/recordings
  memtrace advise --prometheus http://prometheus:9090 --host node7";

#[derive(Args, Clone, Debug)]
pub struct AdviseArguments {
    /// Only this VM, by name, UUID, or as its platform calls it (100, shop/web)
    pub vm: Option<String>,
    /// Begin of the period to evaluate: 7d or 4w back from the end of the recording (with
    /// --prometheus from now), or a time such as 14:05 or '2026-11-23 14:05'
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    pub since: Since,
    /// Recording: a file, or a directory of files
    #[arg(long, alias = "dir", value_name = "PATH",
        default_value = memtrace_store::recording::DIRECTORY)]
    pub recording: PathBuf,
    /// Use this Prometheus (metrics of docs/metrics.md) instead of a recording:
    /// http://HOST:PORT[/PATH] or https://
    #[arg(long, value_name = "URL", conflicts_with = "recording")]
    pub prometheus: Option<Address>,
    #[command(flatten)]
    pub credentials: CredentialsArguments,
    /// Host to select in Prometheus: instance, with or without port, or host name
    #[arg(long, value_name = "INSTANCE", requires = "prometheus")]
    pub host: Option<String>,
    /// Also evaluate one more VM of this size
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub add: Option<Bytes>,
    /// Configuration, and its .d/*.toml, with reserve, floors and distress thresholds [default:
    /// /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Write the balloon bounds into this configuration, after showing a diff and asking for
    /// confirmation. Comments are kept. VMs with low confidence are skipped
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub apply_to: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long, requires = "apply_to")]
    pub yes: bool,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}
