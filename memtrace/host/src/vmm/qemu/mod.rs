//! Parses QEMU's command line. Pure; untrusted, as it comes from the guest's owner.

mod balloon;
pub mod config;
mod memory;
mod monitor;
pub mod options;
mod processors;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use uuid::Uuid;

pub use self::balloon::{BalloonDriver, BalloonOptions};
use self::memory::Memory;
use self::monitor::Monitors;
use self::options::{Keyed, number, options};
use self::processors::Processors;
use self::sections::Sections;
use super::name;
use memtrace_core::sample::Accelerator;
use memtrace_core::units::Bytes;

/// A QEMU system emulator's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QemuCommand {
    /// As written, so untrusted; its beginning, if it is very long.
    pub name: Option<String>,
    /// Of `-uuid`, else of the hardware that it poses as (`-smbios`), where Proxmox gives it.
    pub uuid: Option<Uuid>,
    /// At the start: boot memory and DIMMs. See [`QemuCommand::size`] for what it is now.
    pub memory: Option<Bytes>,
    /// Why its size may be another one by now.
    pub growth: Option<&'static str>,
    /// Virtual CPUs at the start; `None` if not given plainly.
    pub vcpus: Option<u32>,
    /// Accelerators that it names, of which QEMU takes the first that works.
    pub accelerators: Accelerators,
    /// Paths of the sockets on which it serves QMP, as the VM's process saw them at its start.
    pub qmp_sockets: Vec<String>,
    /// Where it serves QMP that memtrace can't ask, if it serves none on such a socket.
    pub qmp_elsewhere: Option<&'static str>,
    pub libvirt: Option<Libvirt>,
    /// Most of its guest memory is shared (`share=on`), so the host counts it as shmem.
    pub shared_memory: bool,
    /// It has a passed-through device, which pins all guest memory.
    pub vfio: bool,
    /// The host's NUMA nodes that its memory is bound to; empty: to none. `None`: not said plainly.
    pub bound_nodes: Option<BTreeSet<u32>>,
    /// The guest's memory is encrypted (SEV, TDX and the like): no balloon frees any of it.
    pub encrypted: bool,
    /// A balloon device that it was started with.
    pub balloon: Option<BalloonOptions>,
    /// What a balloon of its machine is connected by.
    pub balloon_driver: BalloonDriver,
    /// It was started to wait for a migration.
    pub incoming: bool,
    pub daemonize: bool,
    /// `-chroot`: its paths are those outside.
    pub chroot: bool,
    /// Directories of files that it names; relative paths may have begun in one of them.
    pub directories: Vec<String>,
    /// `-id`, which Proxmox' QEMU has.
    pub platform_id: Option<String>,
    /// Product and family of the hardware that it poses as (`-smbios`).
    pub products: Vec<String>,
    /// Why a part of its configuration, and all that may be said there, isn't known.
    pub unread: Option<String>,
    /// It has no machine: `-machine none`, `-version`, `-device help`, ...
    pub probe_only: bool,
}

/// Which accelerators are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accelerators {
    pub kvm: bool,
    pub tcg: bool,
    pub others: bool,
}

impl Accelerators {
    fn add(&mut self, name: &str) {
        match name {
            "kvm" => self.kvm = true,
            "tcg" => self.tcg = true,
            _ => self.others = true,
        }
    }
}

/// The libvirt instance that started a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Libvirt {
    System,
    /// One of a user's own, qemu:///session.
    Session,
    /// One in a container, as KubeVirt's.
    Contained,
}

/// Most files of `-readconfig` that are read: each may take a while. Incus and LXD have one.
const MOST_FILES: usize = 4;
/// Most directories that are remembered.
const MOST_DIRECTORIES: usize = 8;
/// Longest path that is remembered: a longer one can't be opened.
const LONGEST_PATH: usize = 4096;
/// Most words of hardware that are remembered, and longest of them and of a name: a command line is
/// kept for as long as its process lives, and anybody may have thousands.
const MOST_PRODUCTS: usize = 16;
const LONGEST_TEXT: usize = 1024;

/// Objects that encrypt a guest's memory, so that no balloon frees any of it (target/i386/sev.c,
/// target/i386/kvm/tdx.c, hw/s390x/s390-virtio-ccw.c, target/ppc/kvm.c, target/arm/kvm-rme.c).
const ENCRYPTING: [&str; 6] =
    ["sev-guest", "sev-snp-guest", "tdx-guest", "s390-pv-guest", "pef-guest", "rme-guest"];

impl QemuCommand {
    /// `arguments` is without the program's name. What is in files is not known.
    pub fn parse(arguments: &[String]) -> Self {
        Self::with_files(arguments, |_| Err("it was not read".to_owned()))
    }

    /// The same with the files of `-readconfig`: `read` gives the text of one, or why it can't.
    pub fn with_files(
        arguments: &[String],
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Self {
        let mut command = Self::default();
        let mut sections = Sections::default();
        let mut files = 0;
        for (option, argument) in options(arguments) {
            if option == "readconfig" {
                files += 1;
                // What one file has is enough to make all unknown.
                if command.unread.is_none() {
                    let text = if files > MOST_FILES {
                        Err(format!("more than {MOST_FILES} files"))
                    } else {
                        read(argument)
                    };
                    command.file(argument, text, &mut sections);
                }
            } else if !sections.option(option, argument) {
                command.option(option, argument, &mut sections);
            }
        }
        command.interpret(&sections);
        if sections.cut {
            command.doubt(format!("it has more than {} options", sections::MOST));
        }
        command
    }

    fn interpret(&mut self, sections: &Sections) {
        let (mut monitors, mut memory) = (Monitors::default(), Memory::default());
        let mut processors = Processors::default();
        for (group, keyed) in sections.iter() {
            monitors.section(group, keyed);
            memory.section(group, keyed);
            processors.section(group, keyed);
            self.section(group, keyed);
        }
        self.qmp_sockets = monitors.sockets();
        self.qmp_elsewhere = monitors.elsewhere().filter(|_| self.qmp_sockets.is_empty());
        self.libvirt = monitors.libvirt();
        self.balloon = balloon::find(sections);
        self.uuid = self.uuid.or_else(|| hardware_uuid(sections));
        self.vcpus = processors.count();
        self.memory = memory.at_start();
        self.growth = memory.doubt();
        self.shared_memory = memory.is_shared();
        self.bound_nodes = memory.bound_nodes();
    }

    /// The size of the VM, as far as it was said at its start and can't be another one by now.
    ///
    /// # Errors
    /// Why it isn't known from there.
    pub fn size(&self) -> Result<Bytes, String> {
        if let Some(reason) = self.unread.as_deref().or(self.growth) {
            return Err(reason.to_owned());
        }
        self.memory.ok_or_else(|| "its command line doesn't say its size".to_owned())
    }

    /// Virtual CPUs at the start; `None`: not known.
    pub fn virtual_cpus(&self) -> Option<u32> {
        self.vcpus.filter(|_| self.unread.is_none())
    }

    /// The host's NUMA nodes that its memory is bound to; empty: to none.
    ///
    /// # Errors
    /// Why they aren't known.
    pub fn nodes(&self) -> Result<&BTreeSet<u32>, String> {
        if let Some(reason) = &self.unread {
            return Err(reason.clone());
        }
        let unclear = || "the NUMA nodes of its memory are given in an unknown form".to_owned();
        self.bound_nodes.as_ref().ok_or_else(unclear)
    }

    /// Whether it was started with a passed-through device; `None`: not known.
    pub fn passes_through(&self) -> Option<bool> {
        self.seen(self.vfio)
    }

    /// Whether the guest's memory is encrypted, and so pinned; `None`: not known.
    pub fn is_encrypted(&self) -> Option<bool> {
        self.seen(self.encrypted)
    }

    /// Whether most of its guest's memory is shared; `None`: not known.
    pub fn shares_memory(&self) -> Option<bool> {
        // What isn't known may be the larger part.
        self.unread.is_none().then_some(self.shared_memory)
    }

    /// Whether it waits for a migration, or did when it was started; `None`: not known.
    pub fn is_incoming(&self) -> Option<bool> {
        self.seen(self.incoming)
    }

    /// Yes, where it was seen; no, only where all was read.
    fn seen(&self, it: bool) -> Option<bool> {
        (it || self.unread.is_none()).then_some(it)
    }

    /// A part of its configuration isn't known, for that reason.
    pub fn doubt(&mut self, reason: String) {
        self.unread.get_or_insert(reason);
    }

    fn file(&mut self, path: &str, text: Result<String, String>, sections: &mut Sections) {
        self.remember_directory(path);
        match text.and_then(|text| config::parse(&text)) {
            Ok(parsed) => parsed.into_iter().for_each(|(group, keyed)| sections.add(&group, keyed)),
            Err(reason) => {
                let path = name::display(path);
                self.doubt(format!("its configuration is in {path}: {reason}"));
            }
        }
    }

    fn option(&mut self, option: &str, argument: &str, sections: &mut Sections) {
        match option {
            "uuid" => self.uuid = uuid(argument).or(self.uuid),
            "id" if argument.len() <= LONGEST_TEXT => {
                self.platform_id = Some(argument.to_owned()).filter(|id| !id.is_empty());
            }
            "qmp" | "qmp-pretty" => sections.add("qmp", Keyed::of("to", argument)),
            "pidfile" | "D" => self.remember_directory(argument),
            "chroot" => self.chroot = true,
            "run-with" => self.chroot |= Keyed::parse(argument, "chroot").has("chroot"),
            "incoming" => self.incoming = true,
            "daemonize" => self.daemonize = true,
            "h" | "help" | "version" => self.probe_only = true,
            "cpu" => self.probe_only |= is_help(argument),
            _ => {}
        }
    }

    fn section(&mut self, group: &str, keyed: &Keyed) {
        match group {
            "name" => {
                let name = keyed.get("guest").filter(|name| !name.is_empty());
                self.name = name.map(|name| name.chars().take(LONGEST_TEXT).collect());
            }
            "smbios" => self.hardware(keyed),
            "machine" => self.machine(keyed),
            "accel" => {
                if let Some(name) = keyed.get("accel") {
                    self.accelerators.add(name);
                }
            }
            "object" => {
                let kind = keyed.get("qom-type");
                self.encrypted |= kind.is_some_and(|kind| ENCRYPTING.contains(&kind));
            }
            "device" => self.device(keyed.get("driver").unwrap_or_default()),
            "netdev" => self.vfio |= keyed.get("type") == Some("vhost-vdpa"),
            "chardev" => {
                if let Some(path) = keyed.get("path") {
                    self.remember_directory(path);
                }
            }
            _ => {}
        }
    }

    fn hardware(&mut self, keyed: &Keyed) {
        let words = ["manufacturer", "product", "family"].into_iter();
        let words = words.filter_map(|key| keyed.get(key));
        let room = MOST_PRODUCTS.saturating_sub(self.products.len());
        let short = words.filter(|word| word.len() <= LONGEST_TEXT);
        self.products.extend(short.take(room).map(str::to_owned));
    }

    fn machine(&mut self, keyed: &Keyed) {
        if let Some(kind) = keyed.get("type") {
            self.probe_only |= kind == "none" || is_help(kind);
            self.balloon_driver = BalloonDriver::of_machine(kind, keyed.get("pcie"));
        }
        if let Some(list) = keyed.get("accel") {
            list.split(':').for_each(|name| self.accelerators.add(name));
        }
        // Whatever the object is that does it; the second is the older form.
        self.encrypted |= ["confidential-guest-support", "memory-encryption"]
            .iter()
            .any(|key| keyed.get(key).is_some_and(|id| !id.is_empty()));
    }

    fn device(&mut self, driver: &str) {
        self.vfio |= is_passed_through(driver);
        self.probe_only |= is_help(driver);
    }

    fn remember_directory(&mut self, path: &str) {
        let Some((directory, _)) = path.rsplit_once('/') else { return };
        if path.starts_with('/')
            && directory.len() <= LONGEST_PATH
            && self.directories.len() < MOST_DIRECTORIES
            && !self.directories.iter().any(|known| known == directory)
        {
            self.directories.push(directory.to_owned());
        }
    }

    /// The accelerator, if the command line names one alone: where QEMU may choose, and where
    /// nothing is said, which program it is decides (its name, and what was built into it).
    pub fn accelerator(&self) -> Option<Accelerator> {
        let Accelerators { kvm, tcg, others } = self.accelerators;
        match (kvm, tcg) {
            _ if others || self.unread.is_some() => None,
            (true, false) => Some(Accelerator::Kvm),
            (false, true) => Some(Accelerator::Tcg),
            _ => None,
        }
    }

    /// Whether it may run without KVM.
    pub fn may_emulate(&self) -> bool {
        let unsaid = self.accelerators == Accelerators::default();
        self.unread.is_some() || unsaid || self.accelerators.tcg
    }
}

/// Of the system (`-smbios type=1`); the last one counts.
fn hardware_uuid(sections: &Sections) -> Option<Uuid> {
    let systems = sections.iter().filter(|(group, keyed)| {
        *group == "smbios" && keyed.get("type").and_then(number) == Some(1)
    });
    systems.filter_map(|(_, keyed)| uuid(keyed.get("uuid")?)).last()
}

/// The nil UUID is what a VM without one has.
fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|uuid| !uuid.is_nil())
}

/// Whether devices of this driver pin all guest memory, so that no balloon frees any.
pub fn is_passed_through(driver: &str) -> bool {
    // A device of vfio-user is another process', which shares the memory and pins none.
    (driver.starts_with("vfio-") && !driver.starts_with("vfio-user"))
        // vDPA does as VFIO (hw/virtio/vhost-vdpa.c).
        || driver.starts_with("vhost-vdpa-device")
        // Before QEMU 3.0.
        || ["pci-assign", "kvm-pci-assign"].contains(&driver)
}

fn is_help(word: &str) -> bool {
    matches!(word, "help" | "?")
}

/// Why memtrace can't ask the monitor of a VM. `None`: it isn't QEMU.
pub fn no_monitor(command: Option<&QemuCommand>) -> String {
    let Some(command) = command else {
        return "not a QEMU VM: only QMP and libvirt are supported".to_owned();
    };
    match &command.unread {
        Some(unread) => format!("whether QEMU has a QMP socket is not known: {unread}"),
        None => command.qmp_elsewhere.unwrap_or("QEMU has no QMP socket").to_owned(),
    }
}

/// Whether a program of this name is a QEMU system emulator: not qemu-img, qemu-nbd or
/// the user-mode emulators. `name` may be cut to 15 bytes, as the kernel does.
pub fn is_system_emulator(name: &str) -> bool {
    // NixOS hides the program behind a wrapper of that form.
    let name = name.strip_prefix('.').unwrap_or(name);
    name.starts_with("qemu-system-") || matches!(name, "qemu-kvm" | "kvm" | "qemu-dm")
}
