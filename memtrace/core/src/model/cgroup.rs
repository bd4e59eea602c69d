//! Numbers of a VM's memory cgroup, and whether they are the VM's alone.

use crate::model::Measured;
use crate::model::pair::Pair;
use crate::model::rates::{Growth, exact};
use crate::sample::{CgroupSample, MemoryStat, Psi, VmSample};
use crate::signal::Quality;
use crate::units::{Bytes, Limit};

/// Whether numbers of the cgroup are numbers of the VM: exact when it has the cgroup to
/// itself, approximate (with who shares it) when it doesn't.
fn ownership(cgroup: &CgroupSample) -> Quality {
    if matches!(cgroup.path.as_str(), "" | "/") {
        return Quality::approximate("of the root cgroup, so of the whole host");
    }
    match (cgroup.vms, cgroup.alone) {
        (1, true) => Quality::Exact,
        (1, false) => Quality::approximate("of a cgroup that other processes share"),
        (vms, _) => Quality::approximate(format!("of a cgroup that {vms} VMs share")),
    }
}

/// The cgroup of a VM that has it to itself, or why there is no such thing.
fn own(vm: &VmSample) -> Result<&CgroupSample, String> {
    let cgroup = vm.cgroup.as_ref().ok_or("its memory cgroup is not known")?;
    match ownership(cgroup) {
        Quality::Exact => Ok(cgroup),
        shared => Err(format!("memory.stat is {}", shared.reason().unwrap_or("not its own"))),
    }
}

/// Whether the VM has its cgroup to itself.
pub(super) fn is_own(vm: &VmSample) -> bool {
    own(vm).is_ok()
}

/// Growth of a line of memory.stat; absent unless the VM has the cgroup to itself, in
/// both samples.
pub(super) fn stat(pair: &Pair<'_>, line: &str, field: fn(&MemoryStat) -> Option<u64>) -> Growth {
    let cgroup = match own(pair.now) {
        Ok(cgroup) => cgroup,
        Err(reason) => return Measured::absent(reason),
    };
    if field(&cgroup.stat).is_none() {
        let problem = cgroup.problem.as_deref().unwrap_or("this kernel has no such line");
        return Measured::absent(format!("no {line} in memory.stat: {problem}"));
    }
    // Another cgroup's total, or one that others were charged to, is no earlier value.
    exact(pair.read(|vm| {
        own(vm).ok().filter(|now| now.path == cgroup.path).and_then(|own| field(&own.stat))
    }))
}

/// A total of the VM's own cgroup that is no part of memory.stat.
pub(super) fn total(pair: &Pair<'_>, field: fn(&CgroupSample) -> Option<u64>) -> Growth {
    match own(pair.now) {
        Ok(cgroup) => Measured::new(field(cgroup), Quality::Exact),
        Err(reason) => Measured::absent(reason),
    }
}

/// The cgroup's numbers as the views show them.
pub(super) struct CgroupView {
    pub(super) path: Option<String>,
    pub(super) usage: Measured<Bytes>,
    pub(super) limit: Measured<Limit>,
    pub(super) high: Measured<Limit>,
    pub(super) psi: Measured<Psi>,
}

pub(super) fn view(vm: &VmSample) -> CgroupView {
    let Some(cgroup) = &vm.cgroup else {
        let unknown = "its memory cgroup is not known";
        return CgroupView {
            path: None,
            usage: Measured::absent(unknown),
            limit: Measured::absent(unknown),
            high: Measured::absent(unknown),
            psi: Measured::absent(unknown),
        };
    };
    let high = match (cgroup.version, cgroup.high) {
        (1, None) => Measured::absent("cgroup v1 has no memory.high"),
        (_, high) => value(cgroup, high),
    };
    CgroupView {
        path: Some(cgroup.path.clone()),
        usage: value(cgroup, cgroup.usage),
        limit: value(cgroup, cgroup.limit),
        high,
        psi: pressure(cgroup),
    }
}

fn pressure(cgroup: &CgroupSample) -> Measured<Psi> {
    match (cgroup.psi.filter(Psi::is_sound), cgroup.version) {
        (None, 1) => Measured::absent("cgroup v1 has no memory.pressure"),
        (None, _) => Measured::absent("its memory.pressure can't be read (is PSI off?)"),
        (psi, _) => value(cgroup, psi),
    }
}

fn value<T>(cgroup: &CgroupSample, value: Option<T>) -> Measured<T> {
    match (value, &cgroup.problem) {
        (None, Some(problem)) => Measured::absent(problem.clone()),
        (value, _) => Measured::new(value, ownership(cgroup)),
    }
}
