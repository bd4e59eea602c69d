//! `memtrace check`: Nagios/Icinga plugin for the host or one VM.

pub(crate) mod args;
pub(crate) mod metric;
pub(crate) mod range;
pub(crate) mod report;
mod told;

use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cli::Verbosity;
use crate::command::check::args::{CheckArguments, Threshold};
use crate::command::measured::{Measured, measure};
use crate::command::scraped;
use crate::sys::output;
use memtrace_core::model::{Snapshot, derive};
use memtrace_core::source::Source;
use memtrace_core::vm_choice::{Candidate, choose};
use memtrace_host::privileges::Denied;
use metric::{Metric, Value};
use report::{CheckReport, Status, Thresholds, headline};

/// Samples, prints one line, and returns the plugin's exit code. Failures return UNKNOWN, a line
/// that can't be written among them: another code would be a state of the host.
pub fn run(arguments: &CheckArguments, verbosity: Verbosity) -> ExitCode {
    let (status, text) = match checked(arguments, verbosity) {
        Ok(report) if arguments.json => (report.status(), report.json()),
        Ok(report) => (report.status(), report.line()),
        Err(error) => {
            tracing::info!("{error:#}");
            (Status::Unknown, failed(&error, arguments))
        }
    };
    let status = output::print(&text).map_or_else(
        |error| {
            tracing::error!("{error:#}");
            Status::Unknown
        },
        |()| status,
    );
    ExitCode::from(status as u8)
}

/// Whether these arguments (without the program) are for `memtrace check`, where clap's exit code
/// for usage errors would mean CRITICAL.
pub fn is_meant<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> bool {
    let mut words = words.into_iter();
    words
        .find(|word| !word.as_ref().as_encoded_bytes().starts_with(b"-"))
        .is_some_and(|word| word.as_ref() == "check")
}

/// The result for a usage error; the reason is on standard error.
pub fn misused() -> (ExitCode, String) {
    let text = headline(Status::Unknown, "usage error; see memtrace check --help");
    (ExitCode::from(Status::Unknown as u8), format!("{text}\n"))
}

fn failed(error: &anyhow::Error, arguments: &CheckArguments) -> String {
    let text = reason(error);
    if arguments.json {
        let subject = arguments.vm.as_ref().map_or("host".into(), |vm| format!("VM {vm}"));
        let document = serde_json::json!({
            "schema_version": report::SCHEMA_VERSION,
            "status": "unknown",
            "code": Status::Unknown as u8,
            "subject": subject,
            "problem": text,
            "from": null,
            "metrics": [],
        });
        return format!("{document}\n");
    }
    // The first line is all that is shown of it.
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    format!("{}\n", headline(Status::Unknown, &lines.join(" ")))
}

/// Agents run it without privileges: what they need is a memtrace that has them.
fn reason(error: &anyhow::Error) -> String {
    error.downcast_ref::<Denied>().map_or_else(
        || format!("{error:#}"),
        |denied| {
            format!(
                "no samples of a running memtrace can be read ({}), and this process lacks {}",
                denied.instead().unwrap_or("start memtrace-exporter.service"),
                denied.missing()
            )
        },
    )
}

fn checked(arguments: &CheckArguments, verbosity: Verbosity) -> Result<CheckReport> {
    if let Some(place) = &arguments.source {
        let all = scraped::fresh(&scraped::read(place)?, Some(place))?;
        return told::report(&all, arguments);
    }
    let CheckArguments { samples, interval, no_libvirt, .. } = arguments;
    let Measured { snapshot, from } = measure(samples, *interval, *no_libvirt, verbosity)?;
    let mut report = report(&snapshot, arguments)?;
    report.from = from;
    Ok(report)
}

/// Two samples at this distance, compared as in the live view.
pub(crate) fn look(source: &mut dyn Source, interval: Duration) -> Result<Snapshot> {
    let before = source.sample(None)?;
    let begun = Instant::now();
    loop {
        let left = interval.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        // Pressure events end a wait early; the interval stays.
        source.wait(left);
    }
    Ok(derive(Some(&before), &source.sample(None)?))
}

fn report(snapshot: &Snapshot, arguments: &CheckArguments) -> Result<CheckReport> {
    let (subject, values) = match &arguments.vm {
        None => {
            let name = snapshot.host.hostname.as_deref().unwrap_or_default();
            (format!("host {name}").trim_end().to_owned(), metric::of_host(&snapshot.host))
        }
        Some(typed) => {
            let vm = choose(typed, &snapshot.vms, |vm| {
                Candidate::new(&vm.name, vm.id).called(&vm.labels)
            })?;
            (format!("VM {}", vm.title()), metric::of_vm(vm))
        }
    };
    let thresholds = thresholds(&values, arguments)?;
    Ok(CheckReport::new(subject, values, &thresholds))
}

/// The defaults; for a metric given on the command line, only what is given.
fn thresholds(values: &[Value], arguments: &CheckArguments) -> Result<Thresholds> {
    let of_vm = arguments.vm.is_some();
    let defaults = |metric: Metric| (metric, metric.defaults(of_vm));
    let mut thresholds: Thresholds = values.iter().map(|value| defaults(value.metric)).collect();
    let typed = || {
        let warnings = arguments.warning.iter().map(|typed| (0, typed));
        warnings.chain(arguments.critical.iter().map(|typed| (1, typed)))
    };
    for (_, Threshold { metric, .. }) in typed() {
        let whose = if of_vm { "a VM" } else { "a host" };
        ensure!(thresholds.contains_key(metric), "{} is not a metric of {whose}", metric.name());
        thresholds.insert(*metric, [None, None]);
    }
    for (level, Threshold { metric, range }) in typed() {
        if let Some(place) = thresholds.get_mut(metric).and_then(|both| both.get_mut(level)) {
            *place = *range;
        }
    }
    Ok(thresholds)
}

#[cfg(test)]
mod tests;
