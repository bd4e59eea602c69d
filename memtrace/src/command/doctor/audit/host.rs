//! The checks of the host itself, beside those of its swap and its nodes.

use super::facts::{Facts, HugePages, Reactor, ReactorKind, VmFacts};
use super::finding::{Answer, Found, Severity, known};
use super::vm::is_excluded;
use super::words::{configured_all, kept, size};
use memtrace_core::units::Bytes;

const THP: &str = "/sys/kernel/mm/transparent_hugepage";
/// The ordinary weight.
const NORMAL: u32 = 1000;
const KSM: &str = "/sys/kernel/mm/ksm/run";

impl ReactorKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Mom => "momd",
            Self::Vdsm => "vdsmd",
            Self::Pvestatd => "pvestatd",
            Self::Memtrace => "memtrace mitigate",
            Self::Ksmtuned => "ksmtuned",
        }
    }

    /// The commands that stop it from controlling memtrace's VMs.
    fn stopped(self, pid: u32, facts: &Facts) -> Vec<String> {
        let command = match self {
            Self::Mom | Self::Vdsm => "systemctl disable --now mom-vdsm".to_owned(),
            Self::Pvestatd => return unshared(facts),
            Self::Memtrace => format!("kill {pid}"),
            Self::Ksmtuned => "systemctl disable --now ksmtuned ksm".to_owned(),
        };
        vec![command]
    }
}

/// Whether several processes say to be the same VM.
pub fn identity(facts: &Facts) -> Answer {
    if facts.disputes.is_empty() {
        return Ok(None);
    }
    Ok(Some(Found {
        severity: Severity::Warning,
        finding: facts.disputes.join("; "),
        consequence: "settings by UUID or name hold for the one that was believed".to_owned(),
        commands: Vec::new(),
        fix: None,
    }))
}

/// Whether all VMs were found.
pub fn discovery(facts: &Facts) -> Answer {
    if facts.omissions.is_empty() { Ok(None) } else { Err(facts.omissions.join("; ")) }
}

/// Ends Proxmox' own ballooning of its VMs by shares of 0. memtrace reads these as a weight of 0,
/// which is "never", so the VMs keep what they have by a weight of their own.
fn unshared(facts: &Facts) -> Vec<String> {
    let weight = |vm: &VmFacts| vm.settings.as_ref().ok().and_then(|settings| settings.weight);
    let theirs = facts.vms.iter().filter(|vm| weight(vm) != Some(0) && !is_excluded(vm));
    let theirs: Vec<(&str, &VmFacts)> = theirs.filter_map(|vm| Some((vm.proxmox()?, vm))).collect();
    let line = |vm| format!("weight = {}", weight(vm).unwrap_or(NORMAL));
    let vms: Vec<(&VmFacts, String)> = theirs.iter().map(|(_, vm)| (*vm, line(vm))).collect();
    let ids: Vec<&str> = theirs.iter().map(|(id, _)| *id).collect();
    let shares = match ids[..] {
        [] => {
            let text = "qm set VMID --shares 0   # for each VM of memtrace's, which needs a weight \
                        in a [[vm]] table then";
            return vec![text.to_owned()];
        }
        [id] => format!("qm set {id} --shares 0"),
        _ => format!("for id in {}; do qm set $id --shares 0; done", ids.join(" ")),
    };
    configured_all(&vms).into_iter().chain([shares]).collect()
}

/// Whether several programs control the same balloons.
pub fn reactors(facts: &Facts) -> Answer {
    let all = known(&facts.host.reactors)?;
    let is_there = |kind| all.iter().any(|reactor| reactor.kind == kind);
    let moves = |reactor: &&Reactor| match reactor.kind {
        ReactorKind::Ksmtuned => false,
        // It executes MOM's decisions.
        ReactorKind::Vdsm => !is_there(ReactorKind::Mom),
        ReactorKind::Mom | ReactorKind::Pvestatd | ReactorKind::Memtrace => true,
    };
    let movers: Vec<&Reactor> = all.iter().filter(moves).collect();
    let ours = movers.iter().find(|reactor| reactor.kind == ReactorKind::Memtrace);
    let others = movers.iter().filter(|reactor| Some(reactor) != ours.as_ref());
    let named: Vec<String> = movers
        .iter()
        .map(|reactor| format!("{} (process {})", reactor.kind.name(), reactor.pid))
        .collect();
    let (severity, finding) = match (movers.len(), ours) {
        (0, _) | (1, Some(_)) => return Ok(None),
        (1, None) => (Severity::Note, format!("{} controls balloons", named.join(""))),
        (count, _) => {
            (Severity::Warning, format!("{count} programs control balloons: {}", named.join(", ")))
        }
    };
    Ok(Some(Found {
        severity,
        finding,
        consequence: "they undo each other's changes; memtrace stands down from a VM whose \
                      balloon another program has set"
            .to_owned(),
        commands: others.flat_map(|reactor| reactor.kind.stopped(reactor.pid, facts)).collect(),
        fix: None,
    }))
}

/// The effect of KSM on counters and balloons.
pub fn ksm(facts: &Facts) -> Answer {
    let Some(ksm) = known(&facts.host.ksm)? else { return Ok(None) };
    let tuned = facts.host.reactors.iter().flatten().find(|r| r.kind == ReactorKind::Ksmtuned);
    let saved = size(ksm.saved);
    let (finding, command) = match (ksm.run, ksm.saved) {
        (1, _) => (format!("on, saves {saved}"), kept("ksm", "0", KSM)),
        (_, Bytes(0)) => return Ok(None),
        _ => (
            format!("stopped, still saves {saved}"),
            format!("echo 2 >{KSM}   # needs {saved} at once"),
        ),
    };
    let by = tuned.map(|reactor| format!("; ksmtuned (process {}) sets it", reactor.pid));
    let mut commands = vec![command];
    commands.extend(tuned.into_iter().flat_map(|it| it.kind.stopped(it.pid, facts)));
    commands.reverse();
    Ok(Some(Found {
        severity: Severity::Note,
        finding: format!("{finding}{}", by.unwrap_or_default()),
        consequence: "a merged page counts in each VM's RSS, frees nothing when ballooned, and \
                      needs a new page when it is written to"
            .to_owned(),
        commands,
        fix: None,
    }))
}

/// The effect of huge pages on faults and balloons. qemu advises the kernel to use them for its
/// guests (`qemu_madvise` in system/physmem.c), so that "madvise" is "always" for VMs.
pub fn huge_pages(facts: &Facts) -> Answer {
    let Some(HugePages { enabled, defrag, fills }) = known(&facts.host.huge_pages)? else {
        return Ok(None);
    };
    if enabled == "never" {
        return Ok(None);
    }
    let (mut costs, mut commands) = (Vec::new(), Vec::new());
    if ["always", "madvise", "defer+madvise"].contains(&defrag.as_str()) {
        costs.push("faults of VMs wait for compaction");
        commands.push(kept("defrag", "defer", &format!("{THP}/defrag")));
    }
    if fills.is_some_and(|fills| fills > 0) {
        costs.push("khugepaged may refill memory that a balloon or the guest gave back");
        let file = format!("{THP}/khugepaged/max_ptes_none");
        commands.push(kept("khugepaged", "0", &file));
    }
    if costs.is_empty() {
        return Ok(None);
    }
    let fills = fills.map_or("unknown".to_owned(), |fills| fills.to_string());
    Ok(Some(Found {
        severity: Severity::Note,
        finding: format!("enabled={enabled}, defrag={defrag}, max_ptes_none={fills}"),
        consequence: costs.join("; "),
        commands,
        fix: None,
    }))
}
