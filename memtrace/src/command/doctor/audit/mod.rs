//! The audit: settings of the host and its VMs that prevent memory from being reclaimed, or that
//! are dangerous when it runs out. From facts to findings. Pure.

mod balloon;
mod cgroup;
pub(crate) mod facts;
mod finding;
mod host;
mod numa;
mod swap;
mod text;
mod vm;
mod words;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use serde::Serialize;

pub use self::balloon::PERIOD;
use self::facts::{Facts, VmFacts};
use self::finding::{Answer, Found};
pub use self::finding::{Finding, Fix, FixOutcome, Severity, Subject};
use memtrace_core::sample::VmId;

/// The names of all checks: first the host's, then each VM's.
pub const NAMES: [&str; 20] = [
    "swap",
    "swap_disk",
    "swap_backing",
    "reactors",
    "ksm",
    "huge_pages",
    "numa",
    "identity",
    "discovery",
    "monitor",
    "balloon",
    "statistics",
    "free_page_reporting",
    "deflate_on_oom",
    "vfio",
    "pinned",
    "process_size",
    "numa_binding",
    "bounds",
    "cgroup_limit",
];

type OfHost = fn(&Facts) -> Answer;
type OfVm = fn(&VmFacts, &Facts) -> Answer;

/// In the order of [`NAMES`].
const OF_HOST: [OfHost; 9] = [
    swap::swap,
    swap::swap_disk,
    swap::backing,
    host::reactors,
    host::ksm,
    host::huge_pages,
    numa::reclaim,
    host::identity,
    host::discovery,
];
const OF_VM: [OfVm; 11] = [
    balloon::monitored,
    balloon::device,
    balloon::statistics,
    balloon::reporting,
    balloon::deflating,
    vm::vfio,
    vm::pinned,
    vm::process_size,
    numa::binding,
    vm::bounds,
    cgroup::limits,
];

/// The findings, the host's first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    pub vms: usize,
    /// Processes that memtrace has no permission to inspect: VMs may be missing.
    pub unseen: usize,
    /// Why `--fix` could not fix everything.
    pub hindrance: Option<String>,
    pub findings: Vec<Finding>,
}

/// Runs all checks. At most one finding per check and VM, the most severe of a VM first.
pub fn audit(facts: &Facts) -> Audit {
    let (of_host, of_vm) = NAMES.split_at(OF_HOST.len());
    let host = of_host.iter().zip(OF_HOST);
    let mut findings =
        worst_first(host.filter_map(|(check, ask)| finding(check, None, ask(facts))));
    for vm in &facts.vms {
        let subject = || Subject { id: vm.id, name: vm.title(), pid: vm.pid };
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
    /// The findings of one VM.
    #[must_use]
    pub fn of(self, vm: VmId) -> Self {
        let concerns = |finding: &Finding| finding.vm.as_ref().is_some_and(|who| who.id == vm);
        let findings = self.findings.into_iter().filter(concerns).collect();
        Self { vms: 1, unseen: 0, findings, ..self }
    }

    /// The highest severity that is not fixed. `None`: none.
    pub fn worst(&self) -> Option<Severity> {
        let standing = self.findings.iter().filter(|finding| finding.stands());
        standing.map(|finding| finding.severity).max()
    }
}
