//! What a VM's cgroups show of who manages it, where only root can make a cgroup of that name.
//! Users name cgroups of their own as they like. Pure.

use uuid::Uuid;

use crate::hostfs::cgroup::membership::paths;

/// The number of Proxmox' VM: of the cgroup `/qemu.slice/ID.scope`.
pub(super) fn proxmox(cgroups: &str) -> Option<&str> {
    paths(cgroups).find_map(|path| {
        let scope = path.strip_prefix("/qemu.slice/")?;
        scope.split('/').next()?.strip_suffix(".scope").filter(|id| is_number(id))
    })
}

/// Whether it has the form of a VM's number in Proxmox.
pub(super) fn is_number(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The UID of the pod: `.../kubepods-burstable-podUID.slice/...`, with `_` for `-`, or
/// `.../podUID/...`.
pub(super) fn pod(cgroups: &str) -> Option<Uuid> {
    paths(cgroups)
        .filter(|path| path.contains("kubepods") && !path.starts_with("/user.slice/"))
        .flat_map(|path| path.split('/'))
        .find_map(|part| {
            let part = part.strip_suffix(".slice").unwrap_or(part);
            let (_, uid) = part.rsplit_once("pod")?;
            Uuid::parse_str(&uid.replace('_', "-")).ok()
        })
}

/// Whether root's libvirt has put it there: into `machine-qemu*.scope` in slices, or into
/// `/machine/*.libvirt-qemu` without systemd.
pub(super) fn is_libvirts(cgroups: &str) -> bool {
    paths(cgroups).any(|path| {
        let mut parts = path.split('/').skip(1).skip_while(|part| part.ends_with(".slice"));
        let first = parts.next().unwrap_or_default();
        let scope = first.starts_with("machine-qemu") && first.ends_with(".scope");
        let plain = path.starts_with("/machine/")
            && parts.next().is_some_and(|part| part.ends_with(".libvirt-qemu"));
        (scope && !path.starts_with("/user.slice/")) || plain
    })
}

/// Whether it is in the session of an ordinary user, which it can't leave by itself.
pub(super) fn is_in_session(cgroups: &str) -> bool {
    paths(cgroups).any(|path| path.starts_with("/user.slice/"))
}
