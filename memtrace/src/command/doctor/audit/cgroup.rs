//! The check of the cgroup limits that hold for a VM: its own, and those of all above it, which it
//! shares.

use std::path::PathBuf;

use super::facts::{Cgroup, Facts, Level, Owner, VmFacts};
use super::finding::{Answer, Found, Severity, known};
use super::words::{kubectl, quoted, size, virsh};
use memtrace_core::sample::is_in_cgroup;
use memtrace_core::units::{Bytes, Limit};

/// What QEMU needs beside its guest's memory, at least; page tables and devices need more with more
/// of it.
const OVERHEAD: Bytes = Bytes(256 << 20);
/// Of what other processes use.
const WORTH_SAYING: Bytes = Bytes(1 << 20);

/// What the VMs below a cgroup may use of it.
struct Wanted {
    vms: u32,
    bytes: Bytes,
    /// What they have in swap already.
    swapped: Bytes,
    /// What other processes in it use now. `None`: not known.
    others: Option<Bytes>,
}

/// What happens at a limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    Throttled,
    Swapped,
    Killed,
}

/// A limit that is too tight.
struct Tight<'a> {
    harm: Harm,
    level: &'a Level,
    limit: Bytes,
    wanted: Wanted,
}

/// Whether its cgroups' limits allow its maximum size.
pub fn limits(vm: &VmFacts, facts: &Facts) -> Answer {
    let Some(cgroup) = known(&vm.cgroup)? else { return Ok(None) };
    let mut worst: Option<Tight<'_>> = None;
    let mut unknown = None;
    for level in &cgroup.levels {
        if (level.hard, level.high) == (Limit::Unlimited, Limit::Unlimited) {
            continue;
        }
        let wanted = match wanted(level, vm, facts) {
            Ok(wanted) => wanted,
            Err(reason) => {
                unknown.get_or_insert(reason);
                continue;
            }
        };
        if wanted.others.is_none() {
            unknown.get_or_insert_with(|| format!("what else is in {} is unknown", level.path));
        }
        let swap = swap(cgroup, facts, wanted.swapped);
        let tight = tight(level, wanted, swap);
        // Of those that do the same, its own first: that is the one to lift.
        if tight.as_ref().map(|tight| tight.harm) > worst.as_ref().map(|worst| worst.harm) {
            worst = tight;
        }
    }
    match (worst, unknown) {
        (Some(tight), _) => Ok(Some(found(vm, cgroup, &tight))),
        (None, Some(reason)) => Err(reason),
        (None, None) => Ok(None),
    }
}

/// What may be swapped out of it at most: as far as the host has swap for it, and its limits allow.
fn swap(cgroup: &Cgroup, facts: &Facts, swapped: Bytes) -> Limit {
    let host = facts.host.swaps.as_ref().map_or(Limit::Unlimited, |swaps| {
        Limit::At(swaps.iter().fold(swapped, |sum, swap| sum.saturating_add(swap.free)))
    });
    cgroup.levels.iter().map(|level| level.swap).fold(host, Limit::min)
}

/// # Errors
/// Why a VM's size isn't known.
fn wanted(level: &Level, vm: &VmFacts, facts: &Facts) -> Result<Wanted, String> {
    let is_below = |other: &&VmFacts| {
        let cgroup = other.cgroup.as_ref().ok().and_then(Option::as_ref);
        other.id == vm.id
            || cgroup
                .is_some_and(|cgroup| is_in_cgroup(&cgroup.path, level.path.trim_end_matches('/')))
    };
    // Private memory alone: page cache is given up at a limit, and shared memory is in the RSS of
    // nobody while it isn't mapped.
    let mut wanted = Wanted { vms: 0, bytes: Bytes(0), swapped: Bytes(0), others: level.anon };
    for other in facts.vms.iter().filter(is_below) {
        wanted.vms = wanted.vms.saturating_add(1);
        wanted.bytes = wanted.bytes.saturating_add(*known(&other.size)?);
        let memory = other.memory.as_ref().ok();
        let swap = memory.map(|memory| memory.swap).unwrap_or_default();
        wanted.swapped = wanted.swapped.saturating_add(swap);
        let anon = memory.and_then(|memory| memory.anon);
        wanted.others = wanted.others.zip(anon).map(|(all, own)| all.saturating_sub(own));
    }
    Ok(wanted)
}

fn tight(level: &Level, wanted: Wanted, swap: Limit) -> Option<Tight<'_>> {
    let room = OVERHEAD.max(Bytes(wanted.bytes.0 / 128));
    let others = wanted.others.unwrap_or_default();
    let needed = wanted.bytes.saturating_add(room).saturating_add(others);
    let short = |limit: Limit| match limit {
        Limit::At(limit) => Some(limit).filter(|limit| *limit < needed),
        Limit::Unlimited => None,
    };
    if let Some(limit) = short(level.hard) {
        let fits = match swap {
            Limit::At(swap) => limit.saturating_add(swap) >= needed,
            Limit::Unlimited => true,
        };
        let harm = if fits { Harm::Swapped } else { Harm::Killed };
        return Some(Tight { harm, level, limit, wanted });
    }
    let limit = short(level.high)?;
    Some(Tight { harm: Harm::Throttled, level, limit, wanted })
}

fn found(vm: &VmFacts, cgroup: &Cgroup, tight: &Tight<'_>) -> Found {
    let Tight { harm, level, limit, wanted: Wanted { vms, bytes, others, .. } } = tight;
    let whose = if *vms > 1 { format!("the {vms} VMs in it") } else { "the VM".to_owned() };
    let place =
        if level.path == cgroup.path { String::new() } else { format!(" in {}", level.path) };
    let others = others.filter(|others| *others >= WORTH_SAYING);
    let left = limit.saturating_sub(*bytes).saturating_sub(others.unwrap_or_default());
    let beside = others.map(|others| format!(" and {} of other processes in it", size(others)));
    let beside = beside.unwrap_or_default();
    Found {
        severity: if *harm == Harm::Killed { Severity::Critical } else { Severity::Warning },
        finding: if limit < bytes {
            format!("{}{place}, and {whose} may use {}", size(*limit), size(*bytes))
        } else {
            format!(
                "{}{place}, which leaves {} beside the memory of {whose}{beside} for QEMU itself \
                 and what shares it",
                size(*limit),
                size(left)
            )
        },
        consequence: match harm {
            Harm::Killed => {
                "when the guest uses its memory, the kernel kills the VM even if the host has free \
                 memory"
            }
            Harm::Swapped => "the guest is swapped out even if the host has free memory",
            Harm::Throttled => {
                "the VM's threads are slowed down and its memory is reclaimed even if the host has \
                 free memory (memory.high)"
            }
        }
        .to_owned(),
        commands: lifting(vm, cgroup, tight),
        fix: None,
    }
}

/// How the limit is lifted where it was set.
fn lifting(vm: &VmFacts, cgroup: &Cgroup, tight: &Tight<'_>) -> Vec<String> {
    if cgroup.path.contains("kubepods") {
        let change = "raise limits.memory in spec.template.spec.domain.resources, or leave it out";
        return vec![kubectl(vm, change).unwrap_or_else(|| {
            "# Kubernetes sets it: raise the memory limit of the pod (resources.limits.memory), or \
                let it follow the guest's memory"
                .to_owned()
        })];
    }
    let own = tight.level.path == cgroup.path;
    let (file, unlimited) = match (cgroup.version, tight.harm) {
        (1, _) => ("memory.limit_in_bytes", "-1"),
        (_, Harm::Throttled) => ("memory.high", "max"),
        _ => ("memory.max", "max"),
    };
    // That of both can't be below that of memory, so it goes first.
    let both = tight.level.both != Limit::Unlimited;
    let libvirt = vm.owner == Owner::Libvirt && own;
    let lift = |limit: &str, file: &str| {
        if libvirt {
            return virsh(vm, "memtune", &format!("--{limit} -1 --live"));
        }
        let file: PathBuf = tight.level.directory.join(file);
        format!("echo {unlimited} >{}", quoted(&file.to_string_lossy()))
    };
    let limit = if tight.harm == Harm::Throttled { "soft-limit" } else { "hard-limit" };
    let first = both.then(|| lift("swap-hard-limit", "memory.memsw.limit_in_bytes"));
    first.into_iter().chain([lift(limit, file)]).collect()
}
