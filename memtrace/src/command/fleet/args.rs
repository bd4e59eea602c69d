//! What can be typed after `memtrace fleet`.

use std::time::Duration;

use clap::Args;

use crate::cli::interval;
use crate::cli::print::PrintArguments;
use crate::prometheus::Address;
use memtrace_core::units::Bytes;

pub const AFTER_HELP: &str = "\
Hosts are those of which Prometheus has metrics of memtrace (docs/metrics.md). State, RECLAIM
(what balloons could give now without harm) and SWAPS IN (within ten minutes, if it goes on
like this) come from hosts where `memtrace mitigate --listen` runs; it may only observe. A host
that has told nothing for two minutes is unknown, with the reason, and forgotten after an hour.

A VM fits where 20 % of the host's memory stays available, VMs may not grow to more than twice
the host's memory, and the host is neither hard nor low, nor comes to it within ten minutes.

It needs no privileges. Passwords and TLS are a proxy's business.

Examples:
  memtrace fleet --prometheus http://prometheus:9090
  memtrace fleet --prometheus http://prometheus:9090 --fit 16G
  memtrace fleet --prometheus http://prometheus:9090 --json --once";

#[derive(Args, Clone, Debug)]
pub struct FleetArguments {
    /// The Prometheus to ask: http://HOST:PORT, with the path that it is served under
    #[arg(long, value_name = "URL")]
    pub prometheus: Address,
    /// Say once where there is room for a VM of so much memory (16G, 512M), the best place first
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub fit: Option<Bytes>,
    /// Seconds between two rounds of questions, 0.1 to 60
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = interval)]
    pub interval: Duration,
    /// Seconds that an answer may take, 0.1 to 60
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
