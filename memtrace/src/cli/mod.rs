//! Arguments shared by several commands, and their parsers.

pub mod look;
pub mod print;
pub mod vm_choice;

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use jiff::{Span, SpanRelativeTo};
use memtrace_core::filter::Filter;
use memtrace_core::units::Bytes;

/// Shortest and longest interval between two samples, in seconds.
pub const INTERVAL_SECONDS: [f64; 2] = [0.1, 60.0];

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

/// Parses an interval in seconds.
///
/// # Errors
/// The message for clap, when it is no number or out of range.
pub fn interval(text: &str) -> Result<Duration, String> {
    let [shortest, longest] = INTERVAL_SECONDS;
    let outside = || format!("not a number of seconds from {shortest} to {longest}");
    let seconds: f64 = text.parse().map_err(|_| outside())?;
    if !(shortest..=longest).contains(&seconds) {
        return Err(outside());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| outside())
}

/// Parses how many tables or documents are printed.
///
/// # Errors
/// The message for clap, when it is no number, or 0.
pub fn count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "not a whole number from 1".to_owned())
}

/// Parses a duration: `90s`, `30m`, `1h30m`, `7d`, `4w`. Days are of 24 hours.
///
/// # Errors
/// The message for clap, when it is none, or not positive.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    length
        .and_then(|length| Duration::try_from(length).ok())
        .filter(|length| !length.is_zero())
        .ok_or_else(|| "not a duration such as 90s, 30m, 24h or 7d".to_owned())
}

/// Parses a size of a VM: `16G`, `1.5GiB`, `512M`.
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
            ("2T", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "16", "G", "0G", "-1G", "16GB", "1e9T", "9999999T", "1.2.3G"] {
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
            ("4w", 2_419_200),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "90", "0s", "-1h", "soon", "1mo"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
