//! `--fix`: applies fixes that are safe for running VMs. The outcomes are written into the
//! findings.

use std::collections::BTreeMap;

use super::audit::{Audit, Finding, Fix, FixOutcome, PERIOD, Severity};
use super::gather::Hypervisor;
use memtrace_core::sample::VmId;
use memtrace_host::privileges::Capability;
use memtrace_host::vmm::libvirt::inspect::Inspector;
use memtrace_host::vmm::qmp;

/// Applies all fixes. `lacking`: missing privileges, for the message of a refused one.
pub(super) fn mend(
    audit: &mut Audit,
    hypervisors: &BTreeMap<VmId, Hypervisor>,
    lacking: &[Capability],
) {
    for finding in &mut audit.findings {
        if let Some(fix) = finding.fix {
            finding.outcome = Some(outcome(fix, hypervisor_of(finding, hypervisors)));
        }
    }
    if !lacking.is_empty() && audit.findings.iter().any(is_left) {
        audit.hindrance = Some(explained(lacking));
    }
}

/// Whether there may be more to fix: VMs that may not be queried can't be checked.
fn is_left(finding: &Finding) -> bool {
    let failed = finding.outcome.as_ref().is_some_and(|outcome| !outcome.done);
    failed || finding.vm.is_some() && finding.severity == Severity::Unknown
}

/// Why this process can't do it, and the command to run.
fn explained(lacking: &[Capability]) -> String {
    let names: Vec<&str> = lacking.iter().copied().map(Capability::name).collect();
    format!("missing {}; run `sudo memtrace doctor --fix`", names.join(", "))
}

fn hypervisor_of<'a>(
    finding: &Finding,
    hypervisors: &'a BTreeMap<VmId, Hypervisor>,
) -> Option<&'a Hypervisor> {
    hypervisors.get(&finding.vm.as_ref()?.id)
}

fn outcome(fix: Fix, hypervisor: Option<&Hypervisor>) -> FixOutcome {
    let Fix::SwitchStatisticsOn = fix;
    let done = match hypervisor {
        Some(Hypervisor::Qmp(target)) => qmp::inspect::switch_statistics_on(target, PERIOD),
        Some(Hypervisor::Libvirt(target)) => {
            Inspector::default().switch_statistics_on(target, PERIOD)
        }
        None => Err("the VM has no monitor".to_owned()),
    };
    match done {
        Ok(()) => FixOutcome {
            done: true,
            text: format!("statistics are polled every {PERIOD} s, until the VM stops"),
        },
        Err(error) => FixOutcome { done: false, text: error },
    }
}
