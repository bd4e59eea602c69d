//! `memtrace metrics`: samples once, and prints metrics or writes them for node_exporter's textfile
//! collector.

pub(crate) mod args;

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::cli::Verbosity;
use crate::command::measured::{Measured, measure};
use crate::command::metrics::args::{MetricsArguments, MetricsForm};
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
    let MetricsArguments { samples, interval, no_libvirt, .. } = arguments;
    let measured = measure(samples, *interval, *no_libvirt, verbosity)?;
    let counts_on = measured.from.is_some();
    let scene = scene(measured);
    match &arguments.textfile {
        Some(path) => {
            let scene = if counts_on { scene } else { scene.of_single_look() };
            replace(path, &text(scene, Form::Classic)?)
                .with_context(|| format!("cannot write {}", path.display()))
        }
        None => output::print(&text(scene, form(arguments))?),
    }
}

/// The Prometheus text format, for other output.
///
/// # Errors
/// When it can't be written, which isn't expected.
pub(crate) fn classic(measured: Measured) -> Result<String> {
    text(scene(measured), Form::Classic)
}

fn scene(measured: Measured) -> Scene {
    let decided = Decided::Not("no policy in a single sample".into());
    Scene::new(Arc::new(measured.snapshot), decided, page_size(), clock::wall())
}

fn form(arguments: &MetricsArguments) -> Form {
    match arguments.format {
        MetricsForm::Openmetrics => Form::OpenMetrics,
        MetricsForm::Prometheus => Form::Classic,
    }
}
