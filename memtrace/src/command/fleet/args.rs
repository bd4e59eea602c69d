//! Arguments of `memtrace fleet`.

use std::time::Duration;

use clap::Args;

use crate::cli::print::PrintArguments;
use crate::cli::size;
use crate::prometheus::Address;
use crate::prometheus::CredentialsArguments;
use memtrace_core::interval;
use memtrace_core::units::Bytes;

pub const AFTER_HELP: &str = "\
Hosts are those with memtrace metrics in Prometheus (docs/metrics.md). STATE, RECLAIM (memory
that balloons could reclaim now without harm) and SWAPS IN (forecast, within 10 minutes) require
`memtrace mitigate --listen` on the host; observe mode is enough. A host without data for 2
minutes is shown as unknown, with the reason, and dropped after an hour.

A VM fits if 20 % of the host's memory stays available, the VMs' maximum sizes stay below twice
the host's memory, and the host's state is neither hard nor low, now and in the forecast.

Requires no privileges. https:// trusts the system's root certificates, and those in SSL_CERT_FILE.

Examples:
  memtrace fleet --prometheus http://prometheus:9090
  memtrace fleet --prometheus http://prometheus:9090 --fit 16G
  memtrace fleet --prometheus http://prometheus:9090 --json --once
  memtrace fleet --prometheus https://mimir.example/prometheus --bearer-token-file token";

#[derive(Args, Clone, Debug)]
pub struct FleetArguments {
    /// Prometheus server: http://HOST:PORT[/PATH] or https://
    #[arg(long, value_name = "URL")]
    pub prometheus: Address,
    #[command(flatten)]
    pub credentials: CredentialsArguments,
    /// Rank hosts for a new VM of this size, best first, and exit
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub fit: Option<Bytes>,
    /// Refresh interval, 100ms to 1min
    #[arg(short, long, value_name = "DURATION", default_value = "5s", value_parser = interval::parse)]
    pub interval: Duration,
    /// Query timeout, 100ms to 1min
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = interval::parse)]
    pub timeout: Duration,
    #[command(flatten)]
    pub print: PrintArguments,
}
