//! Checks of a VM's memory: pinning, configured bounds, and its process.

use super::facts::{Facts, Memory, Owner, VmFacts};
use super::finding::{Answer, Found, Severity, known};
use super::words::{configured, half, quoted, size, virsh};
use memtrace_core::policy::PINNED_SHARE;
use memtrace_core::units::Bytes;

/// Whether a passed-through device pins its memory.
pub fn vfio(vm: &VmFacts, _: &Facts) -> Answer {
    if !*known(&vm.vfio)? || is_excluded(vm) {
        return Ok(None);
    }
    Ok(Some(Found {
        severity: Severity::Warning,
        finding: "passed-through device".to_owned(),
        consequence: "all its memory is pinned: it can be neither ballooned nor swapped".to_owned(),
        commands: vec![configured(vm, "exclude = true")],
        fix: None,
    }))
}

/// Whether it is locked, or in hugetlb pages.
pub fn pinned(vm: &VmFacts, _: &Facts) -> Answer {
    if *known(&vm.encrypted)? && !is_excluded(vm) {
        return Ok(Some(Found {
            severity: Severity::Warning,
            finding: "the guest's memory is encrypted".to_owned(),
            consequence:
                "all its memory is pinned: no balloon frees any of it, and none is swapped"
                    .to_owned(),
            commands: vec![configured(vm, "exclude = true")],
            fix: None,
        }));
    }
    let memory = known(&vm.memory)?;
    let (finding, undone) = match pins(memory) {
        Some(Pins::Huge) => (format!("{} in hugetlb pages", size(memory.huge)), "hugepages"),
        Some(Pins::Locked) if vm.vfio != Ok(true) => {
            (format!("{} locked", size(memory.locked)), "locked")
        }
        _ => return Ok(None),
    };
    if is_excluded(vm) {
        return Ok(None);
    }
    let commands = match vm.owner {
        Owner::Libvirt => {
            vec![virsh(vm, "edit", &format!("# without <{undone}/> in <memoryBacking>"))]
        }
        _ => vec![configured(vm, "exclude = true")],
    };
    Ok(Some(Found {
        severity: Severity::Warning,
        finding,
        consequence: "it can't be swapped, and ballooning frees little or none of it".to_owned(),
        commands,
        fix: None,
    }))
}

/// Whether the VM is excluded in the configuration: then there is nothing to fix.
pub(super) fn is_excluded(vm: &VmFacts) -> bool {
    let said = vm.settings.as_ref();
    said.is_ok_and(|settings| settings.exclude == Some(true) || settings.weight == Some(0))
}

/// What keeps a VM's memory in the host's.
enum Pins {
    Huge,
    Locked,
}

fn pins(memory: &Memory) -> Option<Pins> {
    let least = Bytes(memory.rss.saturating_add(memory.huge).0 / PINNED_SHARE);
    let locked = (memory.locked > least).then_some(Pins::Locked);
    if memory.huge > least { Some(Pins::Huge) } else { locked }
}

/// Whether memtrace may be able to shrink it, as far as is known.
fn may_shrink(vm: &VmFacts) -> bool {
    let reachable = matches!(
        vm.owner,
        Owner::Libvirt | Owner::OtherLibvirt | Owner::Qmp(_) | Owner::Unknown(_)
    );
    let pinned = vm.memory.as_ref().is_ok_and(|memory| pins(memory).is_some());
    let has_balloon = vm.balloon.as_ref().map_or(true, Option::is_some);
    reachable && has_balloon && !pinned && vm.encrypted != Ok(true) && vm.vfio != Ok(true)
}

/// A process that keeps so much more than its VM's size is worth a word.
const MUCH: Bytes = Bytes(512 << 20);

/// Whether its process takes more than its VM's memory.
pub fn process_size(vm: &VmFacts, _: &Facts) -> Answer {
    let (memory, most) = (known(&vm.memory)?, *known(&vm.size)?);
    let kept = memory.rss.saturating_add(memory.huge).saturating_add(memory.swap);
    let beyond = kept.saturating_sub(most);
    if beyond <= MUCH.max(Bytes(most.0 / 8)) {
        return Ok(None);
    }
    Ok(Some(Found {
        severity: Severity::Warning,
        finding: format!("its process keeps {}, for a VM of {}", size(kept), size(most)),
        consequence:
            "the host needs that beyond the VMs' sizes, and no balloon frees it: QEMU's own \
                      devices, caches of its disks, or a leak"
                .to_owned(),
        commands: Vec::new(),
        fix: None,
    }))
}

/// Whether a minimum is configured.
pub fn bounds(vm: &VmFacts, _: &Facts) -> Answer {
    if known(&vm.settings)?.minimum.is_some() || is_excluded(vm) || !may_shrink(vm) {
        return Ok(None);
    }
    let half = half(vm);
    let mut commands = vec![configured(vm, &format!("minimum = \"{half} MiB\""))];
    commands.extend(vm.proxmox().map(|id| format!("qm set {id} --balloon {half}")));
    if vm.owner == Owner::Libvirt {
        let element = quoted(&format!(r#"<balloon minimum="{half}MiB"/>"#));
        commands.push(virsh(
            vm,
            "metadata",
            &format!(
                "https://github.com/memtrace/memtrace/domain/1 --key memtrace --set {element} \
                 --live --config"
            ),
        ));
    }
    Ok(Some(Found {
        severity: Severity::Note,
        finding: "no minimum is configured".to_owned(),
        consequence: "only the policy's own floor limits how far it is shrunk".to_owned(),
        commands,
        fix: None,
    }))
}
