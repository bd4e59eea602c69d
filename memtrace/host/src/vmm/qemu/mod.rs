//! Parses QEMU's command line. Pure; untrusted, as it comes from the guest's owner.

pub mod config;
mod memory;
mod monitor;
pub mod options;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use self::memory::Memory;
use self::monitor::Monitors;
use self::options::{Keyed, options};
use super::name;
use memtrace_core::sample::Accelerator;
use memtrace_core::units::Bytes;

/// A QEMU system emulator's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QemuCommand {
    /// As written, so untrusted and of any length.
    pub name: Option<String>,
    pub uuid: Option<Uuid>,
    /// At the start: boot memory and DIMMs. See [`QemuCommand::size`] for what it is now.
    pub memory: Option<Bytes>,
    /// Why its size may be another one by now.
    pub growth: Option<&'static str>,
    /// Virtual CPUs at the start; `None` if not given plainly.
    pub vcpus: Option<u32>,
    /// Accelerators in the order in which QEMU tries them; empty when it isn't said.
    pub accelerators: Vec<String>,
    /// Paths of the sockets on which it serves QMP, as the VM's process saw them at its start.
    pub qmp_sockets: Vec<String>,
    pub libvirt: Option<Libvirt>,
    /// Guest memory is shared (`share=on`), so the host counts it as shmem.
    pub shared_memory: bool,
    pub huge_pages: bool,
    /// It has a passed-through device, which pins all guest memory.
    pub vfio: bool,
    /// The guest's memory is encrypted (SEV, TDX), which pins all of it.
    pub encrypted: bool,
    /// A balloon device that it was started with.
    pub balloon: Option<BalloonOptions>,
    /// It waits for a migration, or did when it was started.
    pub incoming: bool,
    /// `-S`: starts paused.
    pub starts_paused: bool,
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

/// The options of a balloon device; all are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BalloonOptions {
    pub deflate_on_oom: bool,
    pub free_page_reporting: bool,
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

/// Options whose argument is of a group of `-readconfig`, and the key of its first value.
const GROUPS: [(&str, &str, &str); 11] = [
    ("name", "name", "guest"),
    ("m", "memory", "size"),
    ("smp", "smp-opts", "cpus"),
    ("machine", "machine", "type"),
    ("M", "machine", "type"),
    ("accel", "accel", "accel"),
    ("object", "object", "qom-type"),
    ("device", "device", "driver"),
    ("chardev", "chardev", "backend"),
    ("mon", "mon", "chardev"),
    ("smbios", "smbios", "file"),
];

/// Most files of `-readconfig` that are read: each may take a while. Incus and LXD have one.
const MOST_FILES: usize = 4;
/// Most directories that are remembered.
const MOST_DIRECTORIES: usize = 8;

/// The parts of a command line that are put together at its end.
#[derive(Debug, Default)]
struct Parts {
    monitors: Monitors,
    memory: Memory,
    /// Virtual CPUs beside those of `-smp`: Proxmox gives those that can be unplugged so.
    processors: u32,
}

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
        // Without -smp it is one (hw/core/machine-smp.c).
        let mut command = Self { vcpus: Some(1), ..Self::default() };
        let mut parts = Parts::default();
        let mut files = 0;
        for (option, argument) in options(arguments) {
            if option == "readconfig" {
                files += 1;
                command.remember_directory(argument);
                // What one file has is enough to make all unknown.
                if command.unread.is_none() {
                    let text = if files > MOST_FILES {
                        Err(format!("more than {MOST_FILES} files"))
                    } else {
                        read(argument)
                    };
                    command.file(argument, text, &mut parts);
                }
            } else {
                command.option(option, argument, &mut parts);
            }
        }
        command.qmp_sockets = parts.monitors.sockets();
        command.libvirt = parts.monitors.libvirt();
        command.vcpus = command.vcpus.and_then(|vcpus| vcpus.checked_add(parts.processors));
        command.memory = parts.memory.at_start();
        command.growth = parts.memory.doubt();
        command
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

    /// Whether it was started with a passed-through device; `None`: not known.
    pub fn passes_through(&self) -> Option<bool> {
        if self.vfio { Some(true) } else { self.unread.is_none().then_some(false) }
    }

    /// Whether the guest's memory is encrypted, and so pinned; `None`: not known.
    pub fn is_encrypted(&self) -> Option<bool> {
        if self.encrypted { Some(true) } else { self.unread.is_none().then_some(false) }
    }

    fn file(&mut self, path: &str, text: Result<String, String>, parts: &mut Parts) {
        match text.and_then(|text| config::parse(&text)) {
            Ok(sections) => {
                for (group, keyed) in sections {
                    self.section(&group, &keyed, parts);
                }
            }
            Err(reason) => {
                let path = name::display(path);
                self.unread = Some(format!("its configuration is in {path}: {reason}"));
            }
        }
    }

    fn option(&mut self, option: &str, argument: &str, parts: &mut Parts) {
        if let Some((_, group, implied)) = GROUPS.iter().find(|(name, _, _)| *name == option) {
            self.section(group, &Keyed::parse(argument, implied), parts);
            return;
        }
        match option {
            "uuid" => self.uuid = uuid(argument).or(self.uuid),
            "id" => self.platform_id = Some(argument.to_owned()).filter(|id| !id.is_empty()),
            "enable-kvm" => self.accelerators.push("kvm".to_owned()),
            "qmp" | "qmp-pretty" => parts.monitors.direct(argument),
            "mem-path" => self.huge_pages |= argument.contains("hugepages"),
            "pidfile" | "D" => self.remember_directory(argument),
            "chroot" => self.chroot = true,
            "run-with" => self.chroot |= Keyed::parse(argument, "chroot").has("chroot"),
            "incoming" => self.incoming = true,
            "S" => self.starts_paused = true,
            "daemonize" => self.daemonize = true,
            "h" | "help" | "version" => self.probe_only = true,
            "cpu" => self.probe_only |= is_help(argument),
            _ => {}
        }
    }

    fn section(&mut self, group: &str, keyed: &Keyed, parts: &mut Parts) {
        parts.monitors.section(group, keyed);
        parts.memory.section(group, keyed);
        match group {
            "name" => {
                if let Some(name) = keyed.get("guest").filter(|name| !name.is_empty()) {
                    self.name = Some(name.to_owned());
                }
            }
            "smbios" => self.hardware(keyed),
            "smp-opts" => self.vcpus = vcpus(keyed),
            "machine" => self.machine(keyed),
            "accel" => self.accelerators.extend(keyed.get("accel").map(str::to_owned)),
            "object" => self.object(keyed),
            "device" => {
                let processor = keyed.get("driver").is_some_and(|driver| driver.ends_with("-cpu"));
                parts.processors = parts.processors.saturating_add(u32::from(processor));
                self.device(keyed);
            }
            "chardev" => {
                if let Some(path) = keyed.get("path") {
                    self.remember_directory(path);
                }
            }
            _ => {}
        }
    }

    fn hardware(&mut self, keyed: &Keyed) {
        // Proxmox gives the UUID here only.
        if keyed.get("type") == Some("1") && self.uuid.is_none() {
            self.uuid = keyed.get("uuid").and_then(uuid);
        }
        let words = ["manufacturer", "product", "family"].into_iter();
        self.products.extend(words.filter_map(|key| keyed.get(key)).map(str::to_owned));
    }

    fn machine(&mut self, keyed: &Keyed) {
        if let Some(kind) = keyed.get("type") {
            self.probe_only |= kind == "none" || is_help(kind);
        }
        if let Some(list) = keyed.get("accel") {
            self.accelerators.extend(list.split(':').map(str::to_owned));
        }
        self.encrypted |= keyed.has("memory-encryption");
    }

    fn object(&mut self, keyed: &Keyed) {
        if keyed.is_kind("qom-type", "memory-backend-") {
            self.shared_memory |= keyed.is_on("share");
            self.huge_pages |= keyed.is_on("hugetlb")
                || keyed.get("mem-path").is_some_and(|path| path.contains("hugepages"));
        }
        // target/i386/sev.c and kvm/tdx.c.
        self.encrypted |=
            ["sev-guest", "sev-snp-guest", "tdx-guest"].map(Some).contains(&keyed.get("qom-type"));
    }

    fn device(&mut self, keyed: &Keyed) {
        let driver = keyed.get("driver").unwrap_or_default();
        // A device of vfio-user is another process', which shares the memory and pins none.
        self.vfio |= driver.starts_with("vfio-") && !driver.starts_with("vfio-user");
        self.probe_only |= is_help(driver);
        if driver.starts_with("virtio-balloon") {
            self.balloon = Some(BalloonOptions {
                deflate_on_oom: keyed.is_on("deflate-on-oom"),
                free_page_reporting: keyed.is_on("free-page-reporting"),
            });
        }
    }

    fn remember_directory(&mut self, path: &str) {
        let Some((directory, _)) = path.rsplit_once('/') else { return };
        if path.starts_with('/')
            && self.directories.len() < MOST_DIRECTORIES
            && !self.directories.iter().any(|known| known == directory)
        {
            self.directories.push(directory.to_owned());
        }
    }

    /// The accelerator, if the command line names one alone: where QEMU may choose, and where
    /// nothing is said, which program it is decides (its name, and what was built into it).
    pub fn accelerator(&self) -> Option<Accelerator> {
        let [one, rest @ ..] = self.accelerators.as_slice() else { return None };
        if self.unread.is_some() || rest.iter().any(|other| other != one) {
            return None;
        }
        match one.as_str() {
            "kvm" => Some(Accelerator::Kvm),
            "tcg" => Some(Accelerator::Tcg),
            _ => None,
        }
    }
}

impl QemuCommand {
    /// Whether it may run without KVM.
    pub fn may_emulate(&self) -> bool {
        self.unread.is_some()
            || self.accelerators.is_empty()
            || self.accelerators.iter().any(|one| one == "tcg")
    }
}

/// The nil UUID is what a VM without one has.
fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|uuid| !uuid.is_nil())
}

/// `cpus`, or else all that the topology has room for.
fn vcpus(keyed: &Keyed) -> Option<u32> {
    let number = |key| keyed.get(key).map(|text| text.parse::<u32>().ok());
    if let Some(cpus) = number("cpus").or_else(|| number("maxcpus")) {
        return cpus;
    }
    let levels = ["drawers", "books", "sockets", "dies", "clusters", "modules", "cores", "threads"];
    levels
        .into_iter()
        .filter_map(number)
        .try_fold(1_u32, |product, count| product.checked_mul(count?))
}

fn is_help(word: &str) -> bool {
    matches!(word, "help" | "?")
}

/// Why memtrace can't ask the monitor of a VM. `None`: it isn't QEMU.
pub fn no_monitor(command: Option<&QemuCommand>) -> String {
    let Some(command) = command else {
        return "not a QEMU VM: only QMP and libvirt are supported".to_owned();
    };
    match (command.libvirt, &command.unread) {
        (Some(Libvirt::Session), _) => {
            "libvirt: the VM is in qemu:///session, which is not supported".to_owned()
        }
        (Some(Libvirt::Contained), _) => {
            "libvirt: its libvirt is in a container, and this host's doesn't know the VM".to_owned()
        }
        (_, Some(unread)) => format!("whether QEMU has a QMP socket is not known: {unread}"),
        _ => "QEMU has no QMP socket".to_owned(),
    }
}

/// Whether a program of this name is a QEMU system emulator: not qemu-img, qemu-nbd or
/// the user-mode emulators. `name` may be cut to 15 bytes, as the kernel does.
pub fn is_system_emulator(name: &str) -> bool {
    // NixOS hides the program behind a wrapper of that form.
    let name = name.strip_prefix('.').unwrap_or(name);
    name.starts_with("qemu-system-") || matches!(name, "qemu-kvm" | "kvm" | "qemu-dm")
}
