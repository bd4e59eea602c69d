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

/// What the VMs below a cgroup may use of it.
struct Wanted {
    vms: u32,
    bytes: Bytes,
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
    let swap = swap(cgroup, facts);
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

/// What may be swapped out of it at most.
fn swap(cgroup: &Cgroup, facts: &Facts) -> Limit {
    if facts.host.swaps.as_ref().is_ok_and(Vec::is_empty) {
        return Limit::At(Bytes(0));
    }
    cgroup.levels.iter().map(|level| level.swap).min().unwrap_or(Limit::Unlimited)
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
    let mut wanted = Wanted { vms: 0, bytes: Bytes(0) };
    for other in facts.vms.iter().filter(is_below) {
        wanted.vms = wanted.vms.saturating_add(1);
        wanted.bytes = wanted.bytes.saturating_add(*known(&other.size)?);
    }
    Ok(wanted)
}

fn tight(level: &Level, wanted: Wanted, swap: Limit) -> Option<Tight<'_>> {
    let room = OVERHEAD.max(Bytes(wanted.bytes.0 / 128));
    let needed = wanted.bytes.saturating_add(room);
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
    let Tight { harm, level, limit, wanted: Wanted { vms, bytes } } = tight;
    let whose = if *vms > 1 { format!("the {vms} VMs in it") } else { "the VM".to_owned() };
    let place =
        if level.path == cgroup.path { String::new() } else { format!(" in {}", level.path) };
    let left = limit.saturating_sub(*bytes);
    Found {
        severity: if *harm == Harm::Killed { Severity::Critical } else { Severity::Warning },
        finding: if limit < bytes {
            format!("{}{place}, and {whose} may use {}", size(*limit), size(*bytes))
        } else {
            format!(
                "{}{place}, which leaves {} beside the memory of {whose} for QEMU itself and what \
                 shares it",
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
        commands: vec![lifting(vm, cgroup, tight)],
        fix: None,
    }
}

/// How the limit is lifted where it was set.
fn lifting(vm: &VmFacts, cgroup: &Cgroup, tight: &Tight<'_>) -> String {
    if cgroup.path.contains("kubepods") {
        let change = "raise limits.memory in spec.template.spec.domain.resources, or leave it out";
        return kubectl(vm, change).unwrap_or_else(|| {
            "# Kubernetes sets it: raise the memory limit of the pod (resources.limits.memory), or \
                let it follow the guest's memory"
                .to_owned()
        });
    }
    let own = tight.level.path == cgroup.path;
    let (file, unlimited) = match (cgroup.version, tight.harm) {
        (1, _) => ("memory.limit_in_bytes", "-1"),
        (_, Harm::Throttled) => ("memory.high", "max"),
        _ => ("memory.max", "max"),
    };
    match (&vm.owner, tight.harm) {
        (Owner::Libvirt, Harm::Throttled) if own => virsh(vm, "memtune", "--soft-limit -1 --live"),
        (Owner::Libvirt, _) if own => virsh(vm, "memtune", "--hard-limit -1 --live"),
        _ => {
            let file: PathBuf = tight.level.directory.join(file);
            format!("echo {unlimited} >{}", quoted(&file.to_string_lossy()))
        }
    }
}
