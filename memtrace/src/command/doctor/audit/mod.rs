//! The audit: what of a host and its VMs keeps memory from being won back, or ends badly when
//! it runs out. Facts go in, findings come out. Pure; who gathers facts and mends is beside it.

mod balloon;
pub mod facts;
mod finding;
mod host;
mod text;
mod vm;
mod words;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use serde::Serialize;

pub use self::balloon::PERIOD;
use self::facts::{Facts, Known, VmFacts};
pub use self::finding::{Finding, Fix, Outcome, Severity, Subject};
use memtrace_core::sample::VmId;

/// All that the audit looks at: first what is the host's, then what is each VM's.
pub const NAMES: [&str; 14] = [
    "swap",
    "swap_disk",
    "reactors",
    "ksm",
    "huge_pages",
    "monitor",
    "balloon",
    "statistics",
    "free_page_reporting",
    "deflate_on_oom",
    "vfio",
    "pinned",
    "bounds",
    "cgroup_limit",
];

type OfHost = fn(&Facts) -> Answer;
type OfVm = fn(&VmFacts, &Facts) -> Answer;

/// In the order of [`NAMES`].
const OF_HOST: [OfHost; 5] =
    [host::swap, host::swap_disk, host::reactors, host::ksm, host::huge_pages];
const OF_VM: [OfVm; 9] = [
    balloon::monitored,
    balloon::device,
    balloon::statistics,
    balloon::reporting,
    balloon::deflating,
    vm::vfio,
    vm::pinned,
    vm::bounds,
    vm::cgroup,
];

/// What a check says: nothing is amiss, something is, or why that can't be told.
type Answer = Result<Option<Found>, String>;

/// What a check found; who is concerned is added by [`audit`].
struct Found {
    severity: Severity,
    finding: String,
    consequence: String,
    commands: Vec<String>,
    fix: Option<Fix>,
}

/// A fact for a check, or the reason for which it says "unknown".
fn known<T>(fact: &Known<T>) -> Result<&T, String> {
    fact.as_ref().map_err(Clone::clone)
}

/// What was found, the host's first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    pub vms: usize,
    /// Processes that memtrace may not look into: VMs may be missing.
    pub unseen: usize,
    /// Why not all that `--fix` mends could be mended.
    pub hindrance: Option<String>,
    pub findings: Vec<Finding>,
}

/// Looks at everything. One finding for each check and VM at most, the worst of a VM first.
pub fn audit(facts: &Facts) -> Audit {
    let (of_host, of_vm) = NAMES.split_at(OF_HOST.len());
    let host = of_host.iter().zip(OF_HOST);
    let mut findings =
        worst_first(host.filter_map(|(check, ask)| finding(check, None, ask(facts))));
    for vm in &facts.vms {
        let subject = || Subject { id: vm.id, name: vm.name.clone(), pid: vm.pid };
        let all = of_vm.iter().zip(OF_VM);
        let found = all.filter_map(|(check, ask)| finding(check, Some(subject()), ask(vm, facts)));
        findings.extend(worst_first(found));
    }
    Audit { vms: facts.vms.len(), unseen: facts.unseen, hindrance: None, findings }
}

fn worst_first(found: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut found: Vec<Finding> = found.collect();
    found.sort_by_key(|finding| Reverse(finding.severity));
    found
}

fn finding(check: &'static str, vm: Option<Subject>, answer: Answer) -> Option<Finding> {
    let found = match answer {
        Ok(found) => found?,
        Err(reason) => Found {
            severity: Severity::Unknown,
            finding: reason,
            consequence: String::new(),
            commands: Vec::new(),
            fix: None,
        },
    };
    let Found { severity, finding, consequence, commands, fix } = found;
    Some(Finding { check, vm, severity, finding, consequence, commands, fix, outcome: None })
}

impl Audit {
    /// What concerns one VM alone.
    #[must_use]
    pub fn of(self, vm: VmId) -> Self {
        let concerns = |finding: &Finding| finding.vm.as_ref().is_some_and(|who| who.id == vm);
        let findings = self.findings.into_iter().filter(concerns).collect();
        Self { vms: 1, unseen: 0, findings, ..self }
    }

    /// Of what still stands. `None`: nothing does.
    pub fn worst(&self) -> Option<Severity> {
        let standing = self.findings.iter().filter(|finding| finding.stands());
        standing.map(|finding| finding.severity).max()
    }
}
