//! The input of the audit: facts about the host and its VMs. Unknown facts have a reason.

use std::collections::BTreeSet;

use memtrace_core::sample::{Platform, VmId, VmLabels};
use memtrace_core::settings::VmSettings;
use memtrace_core::units::Bytes;
pub use memtrace_host::hostfs::backing::Backing;
pub use memtrace_host::hostfs::cgroup::levels::Level;
pub use memtrace_host::hostfs::numa::Node;
pub use memtrace_host::vmm::qemu::BalloonDriver;

/// A fact, or a message why it is unknown.
pub type Known<T> = Result<T, String>;

#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub host: HostFacts,
    pub vms: Vec<VmFacts>,
    /// Processes that memtrace has no permission to inspect.
    pub unseen: usize,
    /// Which processes say to be the same VM, and which was believed.
    pub disputes: Vec<String>,
    /// What was not looked at or is not taken, whose VMs are missing here.
    pub omissions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HostFacts {
    /// Of the whole host.
    pub memory: Known<Bytes>,
    pub swaps: Known<Vec<Swap>>,
    /// `None`: a kernel without it.
    pub ksm: Known<Option<Ksm>>,
    /// `None`: a kernel without them.
    pub huge_pages: Known<Option<HugePages>>,
    pub reactors: Known<Vec<Reactor>>,
    /// The kind of file system that a swap file would be on.
    pub swap_file_system: Known<String>,
    /// The NUMA nodes that have memory.
    pub nodes: Known<Vec<Node>>,
    /// What ZFS gives back of its cache, on whatever nodes it is.
    pub arc: Known<Bytes>,
    /// 0: a full node isn't reclaimed from while others have memory.
    pub zone_reclaim_mode: Known<u64>,
}

/// Where a swap file is advised.
pub const SWAP_FILE: &str = "/var/swap";

/// A swap device or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Untrusted, as all names and paths here.
    pub path: String,
    pub priority: i32,
    pub free: Bytes,
    /// It is on a rotational disk.
    pub rotational: Known<bool>,
    /// What is under it.
    pub backing: Known<Backing>,
}

/// Kernel samepage merging (Documentation/admin-guide/mm/ksm.rst).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ksm {
    /// 0 stopped, 1 merging, 2 undoing all.
    pub run: u64,
    /// Memory that merging saves.
    pub saved: Bytes,
}

/// Transparent huge pages (Documentation/admin-guide/mm/transhuge.rst).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugePages {
    /// The selected value: always, madvise or never.
    pub enabled: String,
    pub defrag: String,
    /// Empty pages in a huge page that khugepaged may fill. `None`: unknown.
    pub fills: Option<u64>,
}

/// A process that changes VMs' memory on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reactor {
    pub kind: ReactorKind,
    pub pid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReactorKind {
    /// oVirt's memory overcommitment manager.
    Mom,
    /// oVirt's agent, which carries out MOM's decisions.
    Vdsm,
    /// Proxmox'.
    Pvestatd,
    /// memtrace, as `mitigate`.
    Memtrace,
    /// It sets KSM and moves no balloon.
    Ksmtuned,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VmFacts {
    pub id: VmId,
    pub name: String,
    pub pid: u32,
    pub owner: Owner,
    /// What its platform and its operator call it.
    pub labels: VmLabels,
    /// Its maximum size.
    pub size: Known<Bytes>,
    /// `None`: it has no such device.
    pub balloon: Known<Option<Balloon>>,
    /// What a balloon of its machine is connected by.
    pub balloon_driver: BalloonDriver,
    /// A passed-through device.
    pub vfio: Known<bool>,
    /// Its guest's memory is encrypted.
    pub encrypted: Known<bool>,
    pub memory: Known<Memory>,
    /// The NUMA nodes that its memory may be on.
    pub nodes: Known<BTreeSet<u32>>,
    /// Those that its cpuset allows.
    pub cpuset: Known<BTreeSet<u32>>,
    /// Its settings in the configuration and its domain's metadata.
    pub settings: Known<VmSettings>,
    /// `None`: no cgroup of its own.
    pub cgroup: Known<Option<Cgroup>>,
}

impl VmFacts {
    /// The name that people know it by.
    pub fn title(&self) -> String {
        self.labels.title().unwrap_or_else(|| self.name.clone())
    }

    /// Its number on Proxmox, for qm(1).
    pub fn proxmox(&self) -> Option<&str> {
        let labels = &self.labels;
        labels.id.as_deref().filter(|_| labels.platform == Some(Platform::Proxmox))
    }

    /// The command of Incus or LXD, and its project and name there: by the name that QEMU was
    /// given, as the operator may label it otherwise.
    pub fn system_container(&self) -> Option<(&'static str, &str, &str)> {
        let command = match self.labels.platform? {
            Platform::Incus => "incus",
            Platform::Lxd => "lxc",
            _ => return None,
        };
        let (project, name) = self.name.split_once('_').unwrap_or(("default", &self.name));
        Some((command, project, name))
    }

    /// Its namespace and name on KubeVirt, for kubectl(1): by its domain's name, as the operator
    /// may label it otherwise.
    pub fn kubevirt(&self) -> Option<(&str, &str)> {
        self.name.split_once('_').filter(|_| self.labels.platform == Some(Platform::Kubevirt))
    }
}

/// The monitor of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Libvirt,
    /// QEMU itself, at this socket.
    Qmp(String),
    /// A libvirt of a user's own or in a container, which answers.
    OtherLibvirt,
    /// A libvirt that isn't this host's own and isn't reached, and why.
    Elsewhere(String),
    /// It can't be known, and why.
    Unknown(String),
    /// A QEMU without a QMP socket that memtrace can use, and what it has.
    None(String),
    /// Another program than QEMU.
    Other(String),
}

/// A balloon device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balloon {
    /// Its path in QEMU's object tree. `None`: not queried.
    pub path: Option<String>,
    pub driver: BalloonDriver,
    pub deflate_on_oom: Known<bool>,
    pub free_page_reporting: Known<bool>,
    /// The VM's logical size now.
    pub actual: Known<Bytes>,
    pub statistics: Known<Statistics>,
}

/// The guest's statistics, as the device has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Polling period of statistics in seconds; 0: off.
    pub period: u64,
    /// Seconds since its last answer. `None`: it never gave one.
    pub age: Option<u64>,
    /// Memory used in the guest: total less free.
    pub live: Option<Bytes>,
    /// It answered once, and has told nothing.
    pub empty: bool,
}

/// A VM's memory on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub rss: Bytes,
    /// Of that, private memory. `None`: an old kernel.
    pub anon: Option<Bytes>,
    pub swap: Bytes,
    pub locked: Bytes,
    pub huge: Bytes,
}

/// The memory cgroup that a VM is charged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    pub path: String,
    /// 1 or 2.
    pub version: u8,
    /// Its limits and its ancestors', which all hold.
    pub levels: Vec<Level>,
}
