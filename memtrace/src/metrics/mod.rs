//! `memtrace metrics`: one look at the host as metrics, printed or into a file for
//! node_exporter's textfile collector. And what a running memtrace tells scrapers.

mod listen;
mod serve;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

pub use listen::Address;
pub(crate) use listen::Listener;
pub(crate) use serve::serve;

use crate::check;
use crate::cli::{MetricsArguments, MetricsForm, Verbosity};
use crate::export::metrics::{Form, Scene, page, text};
use crate::hostfs::HostRoot;
use crate::output;
use crate::privileges;
use crate::reactor::Decided;
use crate::replace::replace;
use crate::source::live::LiveSource;
use crate::units::{Bytes, WallNanos};

/// Looks, and prints or writes what was seen.
///
/// # Errors
/// [`privileges::Denied`] without privileges; when the host can't be sampled, or the output
/// can't be written.
pub fn run(arguments: &MetricsArguments, verbosity: Verbosity) -> Result<()> {
    if arguments.describe {
        return output::print(&page::page());
    }
    let scene = scene(arguments.interval, arguments.no_libvirt, verbosity)?;
    match &arguments.textfile {
        Some(path) => replace(path, &text(scene, Form::Classic)?)
            .with_context(|| format!("cannot write {}", path.display())),
        None => output::print(&text(scene, form(arguments))?),
    }
}

/// The same for another form of output: Prometheus' text.
///
/// # Errors
/// As [`run`].
pub(crate) fn look(interval: Duration, no_libvirt: bool, verbosity: Verbosity) -> Result<String> {
    text(scene(interval, no_libvirt, verbosity)?, Form::Classic)
}

fn scene(interval: Duration, no_libvirt: bool, verbosity: Verbosity) -> Result<Scene> {
    let root = HostRoot::live().context("cannot read /proc; is it mounted?")?;
    privileges::require(&root)?;
    let mut source = LiveSource::open(root, verbosity, !no_libvirt);
    let snapshot = Arc::new(check::look(&mut source, interval)?);
    let decided = Decided::Not("one look decides nothing".into());
    Ok(Scene::new(snapshot, decided, page_size(), now()))
}

fn form(arguments: &MetricsArguments) -> Form {
    match arguments.format {
        MetricsForm::Openmetrics => Form::OpenMetrics,
        MetricsForm::Prometheus => Form::Classic,
    }
}

/// Of the base pages of this host.
fn page_size() -> Bytes {
    Bytes(rustix::param::page_size() as u64)
}

/// The time of day; the epoch where the clock is before it.
fn now() -> WallNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
