//! Whose a process is, as the kernel and files of root's show: what its claims are worth beside
//! those of others.

use std::path::Path;

use crate::hostfs::{HostRoot, process, read};
use crate::vmm::judge::Description;
use crate::vmm::managers;
use crate::vmm::qemu::Libvirt;

/// What a VM's claims are worth beside those of others; less is better: whose it is, and whether
/// it holds no guest of KVM.
pub type Worth = (Standing, bool);

/// The better one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A manager has put it into a cgroup of its VMs, or libvirt has its pid for that domain.
    Managed,
    /// Root's or a service's, outside of users' sessions and of containers.
    System,
    /// The same in a user's session, as after sudo.
    Administrator,
    /// A VM of libvirt's in a pod, as KubeVirt's are. Anybody's pod may look like one.
    Pod,
    /// An ordinary user's, or a container's, where root is anybody.
    Other,
    /// The same in a user's session.
    InSession,
}

impl Standing {
    /// `cgroups`: the lines of its /proc/PID/cgroup.
    pub(super) fn of(root: &HostRoot, pid: u32, description: &Description, cgroups: &str) -> Self {
        let managed = managers::proxmox(cgroups).is_some()
            || managers::is_libvirts(cgroups)
            || is_libvirts(root, pid, description);
        let pod = || {
            let libvirt = description.qemu.as_ref().and_then(|qemu| qemu.libvirt);
            libvirt == Some(Libvirt::Contained) && managers::pod(cgroups).is_some()
        };
        let trusted = || process::user_on_host(root, pid).is_some_and(is_of_system);
        match (managed, managers::is_in_session(cgroups)) {
            (true, _) => Self::Managed,
            (false, false) if trusted() => Self::System,
            (false, true) if trusted() => Self::Administrator,
            (false, false) if pod() => Self::Pod,
            (false, false) => Self::Other,
            (false, true) => Self::InSession,
        }
    }

    pub(super) const fn worth(self, description: &Description) -> Worth {
        (self, !description.kvm)
    }

    pub(super) const fn is_in_session(self) -> bool {
        matches!(self, Self::Administrator | Self::InSession)
    }
}

/// Root, and users of services: systemd's ranges (UIDS-GIDS.md), whose upper one has those of
/// Debian too. Those of libvirt outside of these are known by their cgroups.
fn is_of_system(user: u32) -> bool {
    matches!(user, 0..1000 | 61184..=65519)
}

/// Whether the host's libvirt runs the domain of that name in this process: it keeps the pid where
/// only root writes.
fn is_libvirts(root: &HostRoot, pid: u32, description: &Description) -> bool {
    let name = description.qemu.as_ref().and_then(|qemu| qemu.name.as_deref());
    let name = name.filter(|name| !name.contains('/'));
    let (Some(name), Some(host)) = (name, root.proc.parent()) else { return false };
    let file = host.join(Path::new("run/libvirt/qemu")).join(format!("{name}.pid"));
    read::text(&file, read::SMALL).is_ok_and(|text| text.trim().parse() == Ok(pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::{FakeHost, FakeProcess, QEMU};
    use crate::hostfs::process::ProcessStat;
    use crate::vmm::qemu::QemuCommand;

    fn description(arguments: &[&str]) -> Description {
        let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
        let mut description = Description::of_process(50, &ProcessStat::default());
        let qemu = QemuCommand::parse(&arguments);
        description.name = qemu.name.clone().unwrap_or_default();
        description.qemu = Some(qemu);
        description
    }

    fn standing(host: &FakeHost, user: u32, cgroup: &str) -> Standing {
        host.process(&FakeProcess { user, cgroup, ..QEMU });
        Standing::of(&host.root(), 50, &description(&["-name", "web"]), cgroup)
    }

    #[test]
    fn only_root_and_services_stand_for_the_system_and_not_in_a_session() {
        let host = FakeHost::unified();
        for (user, cgroup, expected) in [
            (0, "0::/\n", Standing::System),
            (107, "0::/system.slice/vm.service\n", Standing::System),
            (64055, "0::/\n", Standing::System),
            (65534, "0::/\n", Standing::Other),
            (1000, "0::/system.slice/cron.service\n", Standing::Other),
            (165_536, "0::/\n", Standing::Other),
            (0, "0::/user.slice/user-7.slice/session-1.scope\n", Standing::Administrator),
            (1000, "0::/user.slice/user-1000.slice/a\n", Standing::InSession),
        ] {
            assert_eq!(standing(&host, user, cgroup), expected, "{user} in {cgroup}");
        }
        let here = "0::/\n";
        host.process(&FakeProcess { cgroup: here, ..QEMU });
        host.file("proc/50/status", "Uid: 0 0 0 0\nNSpid: 50 7\n");
        let contained = Standing::of(&host.root(), 50, &description(&[]), here);
        assert_eq!(contained, Standing::Other, "root of a container is anybody");
        host.file("proc/50/status", "Uid: 0 0 0 0\n");
        let unknown = Standing::of(&host.root(), 50, &description(&[]), here);
        assert_eq!(unknown, Standing::Other, "nobody knows where");
    }

    #[test]
    fn a_managers_cgroup_goes_by_where_only_root_can_make_it() {
        let host = FakeHost::unified();
        for cgroup in [
            "0::/qemu.slice/2207.scope\n",
            "0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope/libvirt/emulator\n",
            "0::/prod.slice/prod-db.slice/machine-qemu\\x2d3\\x2dweb.scope\n",
            "4:memory:/machine/qemu-3-web.libvirt-qemu/emulator\n",
        ] {
            assert_eq!(standing(&host, 1000, cgroup), Standing::Managed, "{cgroup}");
        }
        let pod = "0::/kubepods.slice/kubepods-pod5c1ae5d5_7b2e_4b6e_9f31_4ab8a6a9a111.slice/a\n";
        let mut vmi = description(&["-name", "shop_vm-cart"]);
        vmi.qemu.as_mut().unwrap().libvirt = Some(Libvirt::Contained);
        host.process(&FakeProcess { user: 107, cgroup: pod, ..QEMU });
        host.file("proc/50/status", "Uid: 107 107 107 107\nNSpid: 50 7\n");
        let of_pod = Standing::of(&host.root(), 50, &vmi, pod);
        assert!(Standing::System < of_pod && of_pod < Standing::Other);
        for cgroup in [
            "0::/user.slice/user-1000.slice/machine-qemu\\x2d3\\x2dweb.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/qemu.slice/2207.scope\n",
            "0::/system.slice/own.service/machine.slice/machine-qemu\\x2d3\\x2dweb.scope\n",
            "0::/machine.slice/libpod-12.scope\n",
            "0::/own/machine/qemu-3-web.libvirt-qemu\n",
        ] {
            assert!(standing(&host, 1000, cgroup) > Standing::Managed, "{cgroup}");
        }
    }

    #[test]
    fn libvirts_domain_is_the_process_whose_pid_libvirt_has() {
        let host = FakeHost::unified();
        host.file("run/libvirt/qemu/web.pid", "50\n");
        assert_eq!(standing(&host, 1000, "0::/\n"), Standing::Managed);
        host.file("run/libvirt/qemu/web.pid", "51\n");
        assert_eq!(standing(&host, 1000, "0::/\n"), Standing::Other);
    }
}
