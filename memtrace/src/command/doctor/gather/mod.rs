//! Gathers the audit's facts: files of the host and each VM, and one query per hypervisor. Changes
//! nothing.

mod host;
mod vm;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::audit::facts::{Facts, Known};
use crate::config::{self, Config};
use memtrace_core::sample::{VmId, VmLabels};
use memtrace_core::settings::{VmTable, configured_labels};
use memtrace_core::units::Nanos;
use memtrace_core::vm_choice::{Candidate, NoSuchVm, choose};
use memtrace_host::clock;
use memtrace_host::hostfs::{HostRoot, Keeper};
use memtrace_host::vmm::discover::{Discovery, FoundVm};
use memtrace_host::vmm::inspection::{Inspection, Unanswered};
use memtrace_host::vmm::libvirt::inspect::Inspector;
use memtrace_host::vmm::naming::{CalledVm, NamedVm, Naming, settle};
use memtrace_host::vmm::{libvirt, qmp};

/// Time limit for queries to libvirt.
const LIMIT: Duration = Duration::from_secs(20);

/// The monitor of a VM, for queries and fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hypervisor {
    Libvirt(libvirt::Target),
    Qmp(qmp::Target),
}

/// The facts, and the monitors for fixes.
#[derive(Debug)]
pub(super) struct Gathered {
    pub facts: Facts,
    pub hypervisors: BTreeMap<VmId, Hypervisor>,
    /// The VM to audit; `None`: all VMs and the host.
    pub only: Option<VmId>,
}

/// Gathers all facts; with `typed`, of that VM only.
///
/// # Errors
/// When /proc can't be listed, or `typed` matches no or several VMs.
pub(super) fn gather(
    root: &HostRoot,
    settings: &Known<Vec<VmTable>>,
    with_libvirt: bool,
    typed: Option<&str>,
) -> Result<Gathered> {
    let mut discovery = Discovery::default();
    discovery.scan(root, Nanos(0)).context("cannot list processes")?;
    let keeper = Keeper::default();
    let mut found: Vec<FoundVm> = discovery.vms().map(|vm| vm.as_ref().clone()).collect();
    let mut named = names(root, &found, settings);
    let usurped = settle_names(&mut found, &mut named);
    let found: Vec<&FoundVm> = found.iter().collect();
    let omissions = discovery.omissions();
    let only = typed.map(|typed| chosen(typed, &found, &named)).transpose();
    let only = only.map_err(|error| with_omissions(error, &omissions))?;
    let asked = found.iter().copied().filter(|vm| only.is_none_or(|only| vm.id == only));
    let mut said = ask(root, asked, with_libvirt);
    let now = clock::wall();
    let mut hypervisors = BTreeMap::new();
    let mut vms = Vec::new();
    for &vm in &found {
        if let Ok(hypervisor) = hypervisor(root, vm, with_libvirt) {
            hypervisors.insert(vm.id, hypervisor);
        }
        let said = said
            .remove(&vm.pid)
            .unwrap_or_else(|| Err(Unanswered::Failed("not queried".to_owned())));
        let named = named.remove(&vm.pid).unwrap_or_default();
        vms.push(vm::facts(root, &keeper, vm, said, settings, named, now));
    }
    let facts = Facts {
        host: host::facts(root),
        vms,
        unseen: discovery.blind(),
        disputes: disputes(&discovery, usurped),
        omissions,
    };
    Ok(Gathered { facts, hypervisors, only })
}

/// At most so many disputes are reported.
const MOST_DISPUTES: usize = 8;

fn disputes(discovery: &Discovery, usurped: Vec<String>) -> Vec<String> {
    discovery.disputes().iter().cloned().chain(usurped).take(MOST_DISPUTES).collect()
}

/// Leaves each name with those that have it by right. `named` is of the same VMs, in their order.
fn settle_names(found: &mut [FoundVm], named: &mut BTreeMap<u32, NamedVm>) -> Vec<String> {
    let mut names: Vec<String> = found.iter().map(|vm| vm.description.name.clone()).collect();
    let labels = named.values_mut().map(|named| &mut named.labels);
    let vms = found.iter().zip(names.iter_mut().zip(labels));
    let mut called: Vec<CalledVm<'_>> =
        vms.map(|(vm, (name, labels))| CalledVm::of(vm, name, labels)).collect();
    let usurped = settle(&mut called);
    for (vm, name) in found.iter_mut().zip(names) {
        vm.description.name = name;
    }
    usurped
}

/// What each VM is called, by its process.
fn names(
    root: &HostRoot,
    found: &[FoundVm],
    settings: &Known<Vec<VmTable>>,
) -> BTreeMap<u32, NamedVm> {
    let tables = settings.as_deref().unwrap_or_default();
    let name = |vm: &FoundVm| {
        let mut named = Naming::default().update(root, vm, Nanos(0)).clone();
        let own = configured_labels(tables, &vm.description.name, vm.identity());
        named.labels = own.over(named.labels);
        (vm.pid, named)
    };
    found.iter().map(name).collect()
}

fn chosen(
    typed: &str,
    found: &[&FoundVm],
    named: &BTreeMap<u32, NamedVm>,
) -> Result<VmId, NoSuchVm> {
    let none = VmLabels::default();
    let vms: Vec<(&FoundVm, &VmLabels)> = found
        .iter()
        .map(|vm| (*vm, named.get(&vm.pid).map_or(&none, |named| &named.labels)))
        .collect();
    let one = choose(typed, &vms, |(vm, labels)| {
        Candidate::new(&vm.description.name, vm.id).called(labels)
    })?;
    Ok(one.0.id)
}

/// A VM that isn't found may be among those that were left out.
fn with_omissions(NoSuchVm(told): NoSuchVm, omissions: &[String]) -> NoSuchVm {
    let parts: Vec<String> = [told].into_iter().chain(omissions.iter().cloned()).collect();
    NoSuchVm(parts.join("; "))
}

/// The settings of single VMs.
pub(super) fn settings(file: Option<&Path>) -> Known<Vec<VmTable>> {
    let path = file.unwrap_or(Path::new(config::FILE));
    let loaded = Config::load(path, file.is_some());
    loaded.map(|loaded| loaded.config.rules.vms).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        format!("invalid configuration: {first}")
    })
}

fn ask<'a>(
    root: &HostRoot,
    found: impl Iterator<Item = &'a FoundVm>,
    with_libvirt: bool,
) -> BTreeMap<u32, Result<Inspection, Unanswered>> {
    let (mut said, mut monitors) = (BTreeMap::new(), Vec::new());
    let mut inspector = Inspector::default();
    let begun = Instant::now();
    for vm in found {
        match hypervisor(root, vm, with_libvirt) {
            Ok(Hypervisor::Libvirt(target)) => {
                let asked = if begun.elapsed() < LIMIT {
                    inspector.inspect(&target)
                } else {
                    let text = "libvirt: too slow to query every domain";
                    Err(Unanswered::Failed(text.to_owned()))
                };
                said.insert(vm.pid, asked);
            }
            Ok(Hypervisor::Qmp(target)) => monitors.push((vm.pid, target)),
            Err(reason) => {
                said.insert(vm.pid, Err(Unanswered::Failed(reason)));
            }
        }
    }
    if !monitors.is_empty() {
        let answers = qmp::inspect::inspect(monitors).into_iter();
        said.extend(answers.map(|(pid, answer)| (pid, answer.map_err(Unanswered::Failed))));
    }
    said
}

/// The monitor of a VM. libvirt goes first, as it holds the QMP socket of its VMs.
fn hypervisor(root: &HostRoot, vm: &FoundVm, with_libvirt: bool) -> Result<Hypervisor, String> {
    use memtrace_host::vmm::qemu::no_monitor;

    let Some(qemu) = &vm.description.qemu else {
        return Err("only QEMU and libvirt are supported".to_owned());
    };
    match qemu.libvirt {
        Some(_) if !with_libvirt => Err("libvirt is disabled (--no-libvirt)".to_owned()),
        Some(_) => libvirt::Target::of(root, vm)
            .map(Hypervisor::Libvirt)
            .map_err(|why| format!("libvirt: {why}")),
        None => {
            qmp::Target::of(root, vm).map(Hypervisor::Qmp).ok_or_else(|| no_monitor(Some(qemu)))
        }
    }
}
