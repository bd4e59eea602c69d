//! `memtrace report`: renders a recording as one HTML page: coverage, host and VMs over time,
//! stalls and their causes.

mod account;
mod actions;
pub(crate) mod args;
mod gather;
mod heat;
mod minutes;
mod page;
mod plot;
mod progress;
mod series;
mod signals;
mod words;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;

use crate::command::losses;
use crate::command::report::args::ReportArguments;
use crate::sys::atomic_write::replace;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
pub use gather::gather;
use memtrace_store::tape::Tape;
use page::{Around, page};
pub use progress::Progress;

/// Reads a whole recording, and writes the page, which lists unreadable parts.
///
/// # Errors
/// When nothing can be read, there are no samples, or the page can't be written.
pub fn run(arguments: &ReportArguments) -> Result<()> {
    let source = arguments.path.display().to_string();
    let mut tape = Tape::open(&arguments.path).with_context(|| format!("cannot read {source}"))?;
    // An invalid default configuration must not prevent reports on other hosts' recordings.
    let config = match crate::config::chosen(arguments.config.as_deref()) {
        Err(error) if arguments.config.is_some() => return Err(error),
        config => config.unwrap_or_default(),
    };
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new();
    let moments = tape.by_ref().take_while(|_| interrupt.check().is_ok());
    let report =
        gather(moments.inspect(|shown| progress.at(shown.snapshot.wall)), config.alert.rules());
    progress.end();
    interrupt.check()?;
    let Some(report) = report else {
        return Err(losses::no_samples(&arguments.path, tape.losses()));
    };
    losses::tell(tape.losses());
    let zone = TimeZone::system();
    let losses: Vec<String> = tape.losses().iter().map(ToString::to_string).collect();
    let text = page(&report, &Around { source: &source, losses: &losses, zone: &zone })?;
    if arguments.output.as_os_str() == "-" {
        return output::print(&text);
    }
    let told = || format!("cannot write {}", arguments.output.display());
    replace(&arguments.output, &text).with_context(told)
}
