//! One interval for the commands that look once: by the samples of another memtrace that serves
//! them, or by an own measurement.

use std::time::Duration;

use anyhow::Result;

use crate::cli::Verbosity;
use crate::cli::samples::SamplesArguments;
use crate::command::check;
use crate::service::live;
use crate::service::samples::read::samples;
use memtrace_core::model::Snapshot;
use memtrace_host::privileges;

/// What there is to see, and whose numbers it has; `None`: one's own, whose counters begin at 0.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) snapshot: Snapshot,
    pub(crate) from: Option<String>,
}

/// Looks over `interval`.
///
/// # Errors
/// [`privileges::Denied`] without privileges, where there are no samples to read; when the host
/// can't be sampled, or the socket that was asked for doesn't answer.
pub(crate) fn measure(
    arguments: &SamplesArguments,
    interval: Duration,
    no_libvirt: bool,
    verbosity: Verbosity,
) -> Result<Measured> {
    let root = live::host()?;
    if let Some(mut samples) = samples(arguments, None, &root)? {
        tracing::info!("{}", samples.notice());
        let snapshot = samples.look(interval)?;
        return Ok(Measured { snapshot, from: Some(samples.notice().to_owned()) });
    }
    privileges::require(&root)?;
    let hooking = live::hooking(arguments.always);
    let mut source = live::source(root, verbosity, !no_libvirt, hooking);
    source.configure(&live::tables());
    Ok(Measured { snapshot: check::look(&mut source, interval)?, from: None })
}
