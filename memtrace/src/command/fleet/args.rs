//! Arguments of `memtrace fleet`.

use std::time::Duration;

use clap::Args;

use crate::cli::interval;
use crate::cli::print::PrintArguments;
use crate::prometheus::Address;
use memtrace_core::units::Bytes;

pub const AFTER_HELP: &str = "\
Hosts are those with memtrace metrics in Prometheus (docs/metrics.md). STATE, RECLAIM (memory
that balloons could reclaim now without harm) and SWAPS IN (forecast, within 10 minutes) require
`memtrace mitigate --listen` on the host; observe mode is enough. A host without data for 2
minutes is shown as unknown, with the reason, and dropped after an hour.

A VM fits if 20 % of the host's memory stays available, the VMs' maximum sizes stay below twice
the host's memory, and the host's state is neither hard nor low, now and in the forecast.

Requires no privileges. For authentication or TLS put a local proxy in front.

Examples:
  memtrace fleet --prometheus http://prometheus:9090
  memtrace fleet --prometheus http://prometheus:9090 --fit 16G
  memtrace fleet --prometheus http://prometheus:9090 --json --once";

#[derive(Args, Clone, Debug)]
pub struct FleetArguments {
    /// Prometheus server: http://HOST:PORT[/PATH]
    #[arg(long, value_name = "URL")]
    pub prometheus: Address,
    /// Rank hosts for a new VM of this size (16G, 512M), best first, and exit
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub fit: Option<Bytes>,
    /// Refresh interval in seconds, 0.1 to 60
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = interval)]
    pub interval: Duration,
    /// Query timeout in seconds, 0.1 to 60
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = interval)]
    pub timeout: Duration,
    #[command(flatten)]
    pub print: PrintArguments,
}

/// `16G`, `1.5GiB`, `512M`: powers of 1024, as QEMU's `-m` has them.
fn size(text: &str) -> Result<Bytes, String> {
    let wrong = || "a size with its unit (M, G, T), as in 16G".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let shift = match unit {
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * f64::from(1_u32 << 20) * f64::powi(2.0, shift - 20);
    // Beyond 2^53 a float has no whole numbers to speak of.
    let sound = bytes >= 1.0 && bytes < f64::powi(2.0, 53);
    if sound { Ok(Bytes(bytes as u64)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_is_something() {
        for (text, bytes) in [("16G", 16 << 30), ("1.5GiB", 3 << 29), ("512M", 512 << 20)] {
            assert_eq!(size(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "16", "G", "0G", "-1G", "16GB", "1e9T", "9999999T", "1.2.3G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
