//! `memtrace metrics`: samples once, and prints metrics or writes them for node_exporter's textfile
//! collector.

pub(crate) mod args;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::Verbosity;
use crate::command::check;
use crate::command::metrics::args::{MetricsArguments, MetricsForm};
use crate::service::live;
use crate::service::metrics::page_size;
use crate::sys::atomic_write::replace;
use crate::sys::output;
use memtrace_core::reactor::Decided;
use memtrace_host::clock;
use memtrace_view::export::metrics::{Form, Scene, page, text};

/// Samples, and prints or writes the metrics.
///
/// # Errors
/// [`memtrace_host::privileges::Denied`] without privileges; when the host can't be sampled, or the
/// output can't be written.
pub fn run(arguments: &MetricsArguments, verbosity: Verbosity) -> Result<()> {
    if arguments.describe {
        return output::print(&page::page());
    }
    let scene = scene(arguments.interval, arguments.no_libvirt, verbosity)?;
    match &arguments.textfile {
        Some(path) => replace(path, &text(scene.of_single_look(), Form::Classic)?)
            .with_context(|| format!("cannot write {}", path.display())),
        None => output::print(&text(scene, form(arguments))?),
    }
}

/// The same for other output: the Prometheus text format.
///
/// # Errors
/// As [`run`].
pub(crate) fn look(interval: Duration, no_libvirt: bool, verbosity: Verbosity) -> Result<String> {
    text(scene(interval, no_libvirt, verbosity)?, Form::Classic)
}

fn scene(interval: Duration, no_libvirt: bool, verbosity: Verbosity) -> Result<Scene> {
    let root = live::privileged_host()?;
    let mut source = live::source(root, verbosity, !no_libvirt);
    source.configure(&live::tables());
    let snapshot = Arc::new(check::look(&mut source, interval)?);
    let decided = Decided::Not("no policy in a single sample".into());
    Ok(Scene::new(snapshot, decided, page_size(), clock::wall()))
}

fn form(arguments: &MetricsArguments) -> Form {
    match arguments.format {
        MetricsForm::Openmetrics => Form::OpenMetrics,
        MetricsForm::Prometheus => Form::Classic,
    }
}
