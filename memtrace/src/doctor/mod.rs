//! `memtrace doctor`: what this kernel and these permissions allow.

mod facts;
mod report;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::{DoctorArguments, Verbosity};
use crate::hostfs::HostRoot;
use crate::output;
use crate::probe;
pub use report::{Fact, Report, SCHEMA_VERSION, Standing, Verdict};

/// Looks, prints the report, and gives the verdict for the exit code.
///
/// # Errors
/// When /proc cannot be read at all, or the report cannot be written.
pub fn run(arguments: DoctorArguments, verbosity: Verbosity) -> Result<Verdict> {
    let root = HostRoot::live().context("cannot read /proc; is it mounted?")?;
    let report = examine(&root, verbosity);
    let verdict = report.verdict();
    output::print(&if arguments.json { json(&report, verdict)? } else { report.text() })?;
    Ok(verdict)
}

/// Attaches everything for a moment, to know and not to guess what can be attached.
fn examine(root: &HostRoot, verbosity: Verbosity) -> Report {
    let (signals, problem) = match probe::open(&root.sys, verbosity.programs()) {
        Ok(kernel) => (kernel.signals().to_vec(), None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    Report {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").into(),
        abi_version: memtrace_ebpf::ABI_VERSION,
        facts: facts::facts(root),
        signals,
        problem,
    }
}

fn json(report: &Report, verdict: Verdict) -> Result<String> {
    #[derive(Serialize)]
    struct Document<'a> {
        verdict: Verdict,
        #[serde(flatten)]
        report: &'a Report,
    }
    let mut text = serde_json::to_string_pretty(&Document { verdict, report })
        .context("cannot write the report as JSON")?;
    text.push('\n');
    Ok(text)
}
