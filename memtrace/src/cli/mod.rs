//! Arguments shared by several commands, and their parsers.

pub(crate) mod look;
pub(crate) mod print;
pub(crate) mod samples;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use jiff::Zoned;
use memtrace_core::filter::Filter;
use memtrace_core::replay::time::{self, Relative, Since};
use memtrace_core::units::{Bytes, Nanos, WallNanos};

/// How much is logged to standard error.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// More log output on stderr (-v info, -vv debug incl. eBPF); for the live view, redirect it
    /// to a file: `memtrace -vv top 2>log`
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Whether to use colours on standard output.
    pub fn on_stdout(self) -> bool {
        let no_color = std::env::var_os("NO_COLOR");
        self.wanted(std::io::stdout().is_terminal(), no_color.as_deref())
    }

    /// Whether to use colours on an output that `is_terminal`. `no_color` is the environment
    /// variable NO_COLOR, which is set if it isn't empty (no-color.org).
    pub fn wanted(self, is_terminal: bool, no_color: Option<&std::ffi::OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(std::ffi::OsStr::is_empty),
        }
    }
}

/// Parses how many tables or documents are printed.
///
/// # Errors
/// The message for clap, when it is no number, or 0.
pub fn count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "not a whole number from 1".to_owned())
}

/// Parses a duration.
///
/// # Errors
/// The message for clap, when it is none, or 0.
pub fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<Nanos>() {
        Ok(Nanos(0)) => Err("must be greater than 0".to_owned()),
        Ok(Nanos(nanos)) => Ok(Duration::from_nanos(nanos)),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses a time of the past.
///
/// # Errors
/// The message for clap, when it is none, or of the future.
pub fn past(text: &str) -> Result<WallNanos, String> {
    let now = Zoned::now();
    time::parse(text, now.time_zone(), wall(&now), Relative::Present)
}

/// Parses the begin of a period.
///
/// # Errors
/// The message for clap, when it is neither a duration nor a time of the past.
pub fn since(text: &str) -> Result<Since, String> {
    let now = Zoned::now();
    time::since(text, now.time_zone(), wall(&now))
}

fn wall(now: &Zoned) -> WallNanos {
    WallNanos(u64::try_from(now.timestamp().as_nanosecond()).unwrap_or_default())
}

/// Parses a size: `16G`, `1.5GiB`, `512M`, `2GB`.
///
/// # Errors
/// The message for clap, when it is none, or 0.
pub fn size(text: &str) -> Result<Bytes, String> {
    match text.parse::<Bytes>() {
        Ok(Bytes(0)) => Err("must be greater than 0".to_owned()),
        size => size.map_err(|error| error.to_string()),
    }
}

// clap shows only the outermost message of an error.
fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_is_something() {
        for (text, bytes) in [
            ("16G", 16 << 30),
            ("16 G", 16 << 30),
            ("1.5GiB", 3 << 29),
            ("512M", 512 << 20),
            ("16GB", 16 << 30),
            ("2T", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "16", "G", "0G", "-1G", "16B", "1e9T", "9999999T", "1.2.3G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_positive_and_days_have_24_hours() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("1h30m", 5400),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1w", 604_800),
            ("3min", 180),
            ("90", 90),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "0s", "-1h", "soon", "1mo"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
