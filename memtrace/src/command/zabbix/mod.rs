//! `memtrace zabbix`: low-level discovery of VMs, and single values for items.

pub(crate) mod args;
pub(crate) mod key;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Verbosity;
use crate::command::measured::measure;
use crate::command::zabbix::args::{ZabbixArguments, ZabbixCommand, ZabbixSource};
use crate::command::{metrics, scraped};
use crate::sys::exit;
use crate::sys::output;
use key::Key;
use memtrace_core::text::clean;
use memtrace_view::export::metrics::parse::Sample;

/// Marks an item as not supported in Zabbix, with a message.
const NOT_SUPPORTED: &str = "ZBX_NOTSUPPORTED";

/// Prints the value, or why there is none; both on standard output, which the agent reads.
///
/// # Errors
/// When the output can't be written.
pub fn run(arguments: &ZabbixArguments, verbosity: Verbosity) -> Result<ExitCode> {
    let answer = match &arguments.command {
        ZabbixCommand::Discover(source) => told(source, verbosity).map(|all| key::discovery(&all)),
        ZabbixCommand::Get { key, vm, source } => one(key, vm.as_deref(), source, verbosity),
    };
    match answer {
        Ok(text) => output::print(&text).map(|()| ExitCode::SUCCESS),
        Err(error) => {
            let text = format!("{error:#}");
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            output::print(&format!("{NOT_SUPPORTED}: {}\n", clean(&lines.join(" "))))?;
            Ok(ExitCode::from(exit::FAILED))
        }
    }
}

fn one(key: &str, vm: Option<&str>, from: &ZabbixSource, verbosity: Verbosity) -> Result<String> {
    // Report errors in the key before measuring.
    let key = Key::parse(key).map_err(anyhow::Error::msg)?;
    let value = key.value(&told(from, verbosity)?, vm).map_err(anyhow::Error::msg)?;
    Ok(format!("{}\n", clean(&value)))
}

/// The metrics of a running memtrace, of its samples, or of an own measurement.
fn told(source: &ZabbixSource, verbosity: Verbosity) -> Result<Vec<Sample>> {
    let text = match &source.source {
        Some(place) => scraped::read(place)?,
        None => {
            let ZabbixSource { samples, interval, no_libvirt, .. } = source;
            metrics::classic(measure(samples, *interval, *no_libvirt, verbosity)?)?
        }
    };
    scraped::fresh(&text, source.source.as_ref())
}
