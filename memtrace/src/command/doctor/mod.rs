//! `memtrace doctor`: checks kernel support and privileges, and audits host and VMs.

pub(crate) mod args;
pub(crate) mod audit;
mod confinement;
mod facts;
mod gather;
mod mend;
mod report;

use anyhow::{Context, Result};
use serde::Serialize;

use self::audit::{Audit, Severity, audit};
use self::gather::Gathered;
use crate::cli::Verbosity;
use crate::command::doctor::args::DoctorArguments;
use crate::service::live;
use crate::sys::output;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::privileges::{self, Capability};
use memtrace_host::probe::{self, Hooking};
pub use report::{DoctorReport, SCHEMA_VERSION, Usability};

/// Checks, applies fixes with `--fix`, prints the report, and returns the exit code: of the
/// verdict, or for one VM of its most severe finding.
///
/// # Errors
/// When /proc cannot be read at all, there is no such VM, the report cannot be written, or the
/// configuration that was named is invalid; what the usual place has is audited instead.
pub fn run(arguments: &DoctorArguments, verbosity: Verbosity) -> Result<u8> {
    let root = live::host()?;
    let audited = audited(&root, arguments)?;
    if arguments.vm.is_some() {
        output::print(&of_vm(&audited, arguments)?)?;
        return Ok(code(&audited));
    }
    let report = examine(&root, verbosity, audited);
    let verdict = report.verdict();
    output::print(&if arguments.json {
        document(&Whole { verdict, report: &report })?
    } else {
        report.text(arguments.color.on_stdout())
    })?;
    Ok(verdict as u8)
}

/// Attaches all hooks briefly, to find out what can be attached.
fn examine(root: &HostRoot, verbosity: Verbosity, audit: Audit) -> DoctorReport {
    let mut facts = facts::facts(root);
    let (signals, problem) = match probe::open(&root.sys, verbosity.programs(), Hooking::Always) {
        Ok(kernel) => {
            facts.push(facts::processes(kernel.processes_unread(), kernel.files_of_cgroups()));
            (kernel.signals().to_vec(), None)
        }
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    DoctorReport {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").into(),
        abi_version: memtrace_ebpf::ABI_VERSION,
        facts,
        signals,
        problem,
        audit,
    }
}

/// The audit after `--fix`.
fn audited(root: &HostRoot, arguments: &DoctorArguments) -> Result<Audit> {
    if let Some(file) = &arguments.config {
        crate::config::chosen(Some(file))?;
    }
    let settings = gather::settings(arguments.config.as_deref());
    let (libvirt, typed) = (!arguments.no_libvirt, arguments.vm.as_deref());
    let Gathered { facts, hypervisors, only } = gather::gather(root, &settings, libvirt, typed)?;
    let mut audit = audit(&facts);
    if let Some(vm) = only {
        audit = audit.of(vm);
    }
    if arguments.fix {
        let lacking: Vec<Capability> =
            privileges::effective(root).map(privileges::missing).unwrap_or_default();
        mend::mend(&mut audit, &hypervisors, &lacking);
    }
    Ok(audit)
}

fn of_vm(audit: &Audit, arguments: &DoctorArguments) -> Result<String> {
    if !arguments.json {
        return Ok(audit.text(arguments.color.on_stdout()));
    }
    document(&OfVm { schema_version: SCHEMA_VERSION, version: env!("CARGO_PKG_VERSION"), audit })
}

/// By the highest severity that is not fixed.
fn code(audit: &Audit) -> u8 {
    match audit.worst() {
        None | Some(Severity::Note) => 0,
        Some(Severity::Unknown | Severity::Warning) => 1,
        Some(Severity::Critical) => 2,
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    verdict: Usability,
    #[serde(flatten)]
    report: &'a DoctorReport,
}

#[derive(Serialize)]
struct OfVm<'a> {
    schema_version: u32,
    version: &'static str,
    audit: &'a Audit,
}

fn document(form: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(form).context("cannot write the report as JSON")?;
    text.push('\n');
    Ok(text)
}
