//! `memtrace simulate --replay`: compares the decisions of another configuration with the recorded
//! ones.

mod episode;
mod run;
mod table;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;

use crate::command::report::Progress;
use crate::command::simulate::args::SimulateArguments;
use crate::config::Config;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
use memtrace_store::recording::Recording;
use run::{Comparison, compare};

/// Prints how they compare.
///
/// # Errors
/// When the recording or the configuration can't be read, or there is no moment in it.
pub(super) fn run(arguments: &SimulateArguments, path: &Path) -> Result<()> {
    let config = crate::config::chosen(arguments.config.as_deref())?;
    let source = path.display();
    let mut recording = Recording::open(path).with_context(|| format!("cannot read {source}"))?;
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new();
    let moments = recording.by_ref().take_while(|_| interrupt.check().is_ok());
    let compared = compare(moments.inspect(|moment| progress.at(moment.sample.wall)), &config);
    progress.end();
    interrupt.check()?;
    for loss in recording.losses() {
        tracing::warn!("{loss}");
    }
    let mut compared = compared.with_context(|| format!("no samples in {source}"))?;
    compared.losses = recording.losses().iter().map(ToString::to_string).collect();
    output::print(&told(&compared, arguments.json)?)
}

fn told(compared: &Comparison, json: bool) -> Result<String> {
    if json {
        Ok(format!("{}\n", serde_json::to_string(compared)?))
    } else {
        Ok(table::table(compared, &TimeZone::system()))
    }
}

/// Parts of the configuration that don't apply to a recording.
fn ignored(config: &Config, recorded: Option<&str>) -> Option<String> {
    let wanted = config.scope.as_deref().map(|scope| scope.trim_matches('/'));
    let recorded = recorded.map(|scope| scope.trim_matches('/'));
    let word = |scope: Option<&str>| {
        scope.map_or_else(|| "the host".to_owned(), |scope| format!("the cgroup {scope}"))
    };
    (wanted != recorded).then(|| {
        format!(
            "the configuration is for {}, but the recording is of {}, which was used",
            word(wanted),
            word(recorded)
        )
    })
}
