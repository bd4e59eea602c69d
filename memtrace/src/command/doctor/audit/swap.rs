//! The checks of the host's swap.

use super::facts::{Backing, Facts, SWAP_FILE as FILE, Swap};
use super::finding::{Answer, Found, Severity, known};
use super::words::{quoted, size};
use memtrace_core::units::Bytes;

const GIB: u64 = 1 << 30;

/// Whether there is swap at all.
pub fn swap(facts: &Facts) -> Answer {
    if !known(&facts.host.swaps)?.is_empty() {
        return Ok(None);
    }
    let memory = facts.host.memory.as_ref().ok().copied();
    let sizes = facts.vms.iter().filter_map(|vm| vm.size.as_ref().ok());
    let promised = sizes.fold(Bytes(0), |sum, size| sum.saturating_add(*size));
    let least = if facts.vms.iter().any(|vm| vm.size.is_err()) { "at least " } else { "" };
    let over = memory.filter(|memory| promised > *memory);
    let (severity, finding) = match over {
        Some(memory) => (
            Severity::Critical,
            format!(
                "none, and the VMs' maximum sizes are {least}{} of {}",
                size(promised),
                size(memory)
            ),
        ),
        None if facts.vms.is_empty() => (Severity::Note, "none".to_owned()),
        None => (Severity::Warning, "none".to_owned()),
    };
    let quarter = memory.map_or(4, |memory| (memory.0 / 4 / GIB).max(1));
    Ok(Some(Found {
        severity,
        finding,
        consequence:
            "memory that can't be ballooned can't be swapped: if the host runs out of memory, \
                      a VM is killed"
                .to_owned(),
        commands: vec![adding(facts.host.swap_file_system.as_ref().ok(), quarter)],
        fix: None,
    }))
}

/// How swap is added where a file of it would be on a file system of this kind, so that it is there
/// after a reboot too.
fn adding(file_system: Option<&String>, gib: u64) -> String {
    let empty = match file_system.map_or("", String::as_str) {
        "ext2" | "ext3" | "ext4" | "f2fs" => format!("fallocate -l {gib}G {FILE}"),
        // A file of unwritten extents is refused by older kernels.
        "xfs" => format!("dd if=/dev/zero of={FILE} bs=1M count={}", gib << 10),
        "btrfs" => return on_btrfs(gib),
        "" => return format!("{}   # {IN_MEMORY}", zram(gib)),
        // ZFS takes none, and a volume of it can deadlock.
        kind => return format!("{}   # {kind} takes no swap file; {IN_MEMORY}", zram(gib)),
    };
    let ready = format!("chmod 600 {FILE} && mkswap {FILE} && swapon {FILE}");
    format!("{empty} && {ready} && {}", kept(FILE))
}

/// In a subvolume of its own, as one with an active swap file can't be snapshotted; the file must
/// not be copied on write (btrfs(5), SWAPFILE SUPPORT), which the command sees to (btrfs-progs
/// 6.1).
fn on_btrfs(gib: u64) -> String {
    let file = format!("{FILE}/file");
    format!(
        "btrfs subvolume create {FILE} && btrfs filesystem mkswapfile --size {gib}g {file} && \
         swapon {file} && {}",
        kept(&file)
    )
}

/// At each start (fstab(5)).
fn kept(file: &str) -> String {
    format!("echo '{file} none swap defaults 0 0' >>/etc/fstab")
}

const IN_MEMORY: &str = "in memory, by zram-generator (Debian: systemd-zram-generator); better: \
                         mkswap on a partition of a disk, and its line in /etc/fstab";

/// At each start (zram-generator.conf(5)).
fn zram(gib: u64) -> String {
    format!(
        "printf '%s\\n' '[zram0]' 'zram-size = {}' 'swap-priority = 100' \
         >/etc/systemd/zram-generator.conf && systemctl daemon-reload && \
         systemctl start systemd-zram-setup@zram0",
        gib << 10
    )
}

/// Whether swap needs memory to be written, or may fail then.
pub fn backing(facts: &Facts) -> Answer {
    let swaps = known(&facts.host.swaps)?;
    let of = |swap: &Swap| swap.backing.as_ref().ok().copied().and_then(harm);
    let harmed: Vec<(&Swap, Harm)> =
        swaps.iter().filter_map(|swap| Some((swap, of(swap)?))).collect();
    let worst = harmed.iter().max_by_key(|(_, harm)| harm.severity).map(|(_, harm)| *harm);
    let unknown = unknown(swaps, |swap| swap.backing.as_ref().err());
    // What isn't known may be worse than a note.
    let Some(worst) = worst.filter(|worst| worst.severity > Severity::Note || unknown.is_none())
    else {
        return unknown.map_or(Ok(None), Err);
    };
    // Memory behind a disk's swap is none that is counted on.
    if worst.severity == Severity::Note && harmed.len() < swaps.len() {
        return Ok(None);
    }
    let same = harmed.iter().filter(|(_, harm)| harm.severity == worst.severity);
    let named: Vec<String> =
        same.clone().map(|(swap, harm)| format!("{} {}", swap.path, harm.on)).collect();
    let off = same
        .map(|(swap, _)| format!("swapoff {}   # and its line in /etc/fstab", quoted(&swap.path)));
    Ok(Some(Found {
        severity: worst.severity,
        finding: named.join(", "),
        consequence: worst.consequence.to_owned(),
        commands: if worst.severity == Severity::Note { Vec::new() } else { off.collect() },
        fix: None,
    }))
}

/// The first swap of which something isn't known, and why.
fn unknown(swaps: &[Swap], reason: impl Fn(&Swap) -> Option<&String>) -> Option<String> {
    swaps.iter().find_map(|swap| Some(format!("{}: {}", swap.path, reason(swap)?)))
}

/// What is wrong with swap on something.
#[derive(Clone, Copy)]
struct Harm {
    severity: Severity,
    on: &'static str,
    consequence: &'static str,
}

fn harm(backing: Backing) -> Option<Harm> {
    let warning = |on, consequence| Some(Harm { severity: Severity::Warning, on, consequence });
    match backing {
        Backing::Zvol => warning(
            "is on a volume of ZFS",
            "ZFS allocates memory to write: a host that is short of memory can deadlock; use a \
             partition outside the pool",
        ),
        Backing::Thin => warning(
            "is on a thin volume of LVM",
            "a write may find its pool full, and allocates memory when the host has none: swapped \
             memory can be lost; use a partition or an ordinary volume",
        ),
        Backing::Network => warning(
            "is on a network",
            "sending allocates memory: a host that is short of memory can deadlock",
        ),
        Backing::Loop => warning(
            "is a file behind a loop device",
            "its file system allocates memory to write: a host that is short of memory can \
             deadlock; use the file itself",
        ),
        Backing::Zram => Some(Harm {
            severity: Severity::Note,
            on: "is in the host's memory (zram)",
            consequence: "what is swapped out takes its compressed size of the host's memory; \
                          memory of guests that doesn't compress frees nothing",
        }),
        Backing::Disk => None,
    }
}

/// Whether swap is fast.
pub fn swap_disk(facts: &Facts) -> Answer {
    let swaps = known(&facts.host.swaps)?;
    let slow: Vec<&Swap> = swaps.iter().filter(|swap| swap.rotational == Ok(true)).collect();
    let Some(first) = slow.iter().max_by_key(|swap| swap.priority) else {
        return unknown(swaps, |swap| swap.rotational.as_ref().err()).map_or(Ok(None), Err);
    };
    let fast = |swap: &&Swap| swap.rotational == Ok(false) && swap.priority > first.priority;
    let ahead = swaps.iter().find(fast);
    let paths: Vec<&str> = slow.iter().map(|swap| swap.path.as_str()).collect();
    let behind = ahead.map(|swap| format!(", once {} is full", swap.path)).unwrap_or_default();
    Ok(Some(Found {
        severity: if ahead.is_some() { Severity::Note } else { Severity::Warning },
        finding: format!("{} on a rotational disk{behind}", paths.join(", ")),
        consequence: "each swap-in takes about 10 ms, and all VMs share \
                      that disk"
            .to_owned(),
        commands: if ahead.is_some() { Vec::new() } else { vec![zram(4)] },
        fix: None,
    }))
}
