//! Arguments shared by several commands, and their parsers.

pub mod look;
pub mod print;

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use memtrace_core::filter::Filter;

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

// clap shows only the outermost message of an error.
fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| format!("{error:#}"))
}
