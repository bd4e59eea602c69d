//! What can be typed after several commands, and how it is read.

pub mod look;
pub mod print;

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use memtrace_core::filter::Filter;

/// Shortest and longest interval between two samples, in seconds.
pub const INTERVAL_SECONDS: [f64; 2] = [0.1, 60.0];

/// How much is told on standard error.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// Tell more on standard error: -v what is done, -vv every detail, the eBPF programs' too.
    /// With the live view, send it to a file: `memtrace -vv top 2>log`
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
    /// Whether colours are wanted on an output that `is_terminal`. `no_color` is the
    /// variable NO_COLOR, of which any text but the empty one counts (no-color.org).
    pub fn wanted(self, is_terminal: bool, no_color: Option<&std::ffi::OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(std::ffi::OsStr::is_empty),
        }
    }
}

/// Seconds between two samples, as they are typed.
///
/// # Errors
/// What is wrong, for clap.
pub fn interval(text: &str) -> Result<Duration, String> {
    let [shortest, longest] = INTERVAL_SECONDS;
    let outside = || format!("not a number of seconds from {shortest} to {longest}");
    let seconds: f64 = text.parse().map_err(|_| outside())?;
    if !(shortest..=longest).contains(&seconds) {
        return Err(outside());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| outside())
}

// clap shows no more than the outermost message of an error.
fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| format!("{error:#}"))
}
