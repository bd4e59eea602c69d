//! Parses QEMU's command line. Pure; untrusted, as it comes from the guest's owner.

mod monitor;
pub mod options;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use self::monitor::Monitors;
use self::options::{Keyed, options, size};
use memtrace_core::sample::Accelerator;
use memtrace_core::units::Bytes;

/// A QEMU system emulator's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QemuCommand {
    /// As written, so untrusted and of any length.
    pub name: Option<String>,
    pub uuid: Option<Uuid>,
    pub memory: Option<Bytes>,
    /// Virtual CPUs at the start; `None` if not given plainly.
    pub vcpus: Option<u32>,
    /// Accelerators in the order in which QEMU tries them; empty when it isn't said.
    pub accelerators: Vec<String>,
    /// Paths of the sockets on which it serves QMP, as the VM's process sees them.
    pub qmp_sockets: Vec<String>,
    pub libvirt: Option<Libvirt>,
    /// Guest memory is shared (`share=on`), so the host counts it as shmem.
    pub shared_memory: bool,
    pub huge_pages: bool,
    /// It has a passed-through device, which pins all guest memory.
    pub vfio: bool,
    /// A balloon device that it was started with.
    pub balloon: Option<BalloonOptions>,
    /// It waits for a migration, or did when it was started.
    pub incoming: bool,
    /// `-S`: starts paused.
    pub starts_paused: bool,
    pub daemonize: bool,
    /// It has no machine: `-machine none`, `-version`, `-device help`, ...
    pub probe_only: bool,
}

/// The options of a balloon device; all are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalloonOptions {
    pub deflate_on_oom: bool,
    pub free_page_reporting: bool,
}

/// The libvirt instance that started a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libvirt {
    System,
    /// One of a user's own, qemu:///session.
    Session,
}

impl QemuCommand {
    /// `arguments` is without the program's name.
    pub fn parse(arguments: &[String]) -> Self {
        // Without -smp it is one (hw/core/machine-smp.c).
        let mut command = Self { vcpus: Some(1), ..Self::default() };
        let mut monitors = Monitors::default();
        for (option, argument) in options(arguments) {
            command.option(option, argument);
            monitors.option(option, argument);
        }
        command.qmp_sockets = monitors.sockets();
        command.libvirt = monitors.libvirt();
        command
    }

    fn option(&mut self, option: &str, argument: &str) {
        match option {
            "name" => {
                if let Some(name) = Keyed::parse(argument, "guest").get("guest") {
                    self.name = Some(name.to_owned()).filter(|name| !name.is_empty());
                }
            }
            "uuid" => self.uuid = uuid(argument).or(self.uuid),
            "smbios" => {
                // Proxmox gives it here only.
                let keyed = Keyed::parse(argument, "file");
                if keyed.get("type") == Some("1") && self.uuid.is_none() {
                    self.uuid = keyed.get("uuid").and_then(uuid);
                }
            }
            "m" => {
                if let Some(text) = Keyed::parse(argument, "size").get("size") {
                    self.memory = size(text, 1 << 20).map(Bytes);
                }
            }
            "smp" => self.vcpus = vcpus(&Keyed::parse(argument, "cpus")),
            "machine" | "M" => self.machine(argument),
            "accel" => {
                let keyed = Keyed::parse(argument, "accel");
                self.accelerators.extend(keyed.get("accel").map(str::to_owned));
            }
            "enable-kvm" => self.accelerators.push("kvm".to_owned()),
            "object" => self.object(&Keyed::parse(argument, "qom-type")),
            "mem-path" => self.huge_pages |= argument.contains("hugepages"),
            "device" => self.device(argument),
            "incoming" => self.incoming = true,
            "S" => self.starts_paused = true,
            "daemonize" => self.daemonize = true,
            "h" | "help" | "version" => self.probe_only = true,
            "cpu" => self.probe_only |= is_help(argument),
            _ => {}
        }
    }

    fn machine(&mut self, argument: &str) {
        let keyed = Keyed::parse(argument, "type");
        if let Some(kind) = keyed.get("type") {
            self.probe_only |= kind == "none" || is_help(kind);
        }
        if let Some(list) = keyed.get("accel") {
            self.accelerators.extend(list.split(':').map(str::to_owned));
        }
    }

    fn object(&mut self, keyed: &Keyed) {
        if keyed.get("qom-type").is_some_and(|kind| kind.starts_with("memory-backend-")) {
            self.shared_memory |= keyed.is_on("share");
            self.huge_pages |= keyed.is_on("hugetlb")
                || keyed.get("mem-path").is_some_and(|path| path.contains("hugepages"));
        }
    }

    fn device(&mut self, argument: &str) {
        let keyed = Keyed::parse(argument, "driver");
        let driver = keyed.get("driver").unwrap_or_default();
        self.vfio |= driver.starts_with("vfio-");
        self.probe_only |= is_help(driver);
        if driver.starts_with("virtio-balloon") {
            self.balloon = Some(BalloonOptions {
                deflate_on_oom: keyed.is_on("deflate-on-oom"),
                free_page_reporting: keyed.is_on("free-page-reporting"),
            });
        }
    }

    /// The accelerator, as far as the command line alone tells: where QEMU may choose,
    /// it doesn't. `program`: the name of the program, as some imply KVM.
    pub fn accelerator(&self, program: &str) -> Option<Accelerator> {
        match self.accelerators.as_slice() {
            [] if matches!(program, "kvm" | "qemu-kvm") => None,
            [] => Some(Accelerator::Tcg),
            [one, rest @ ..] if rest.iter().all(|other| other == one) => match one.as_str() {
                "kvm" => Some(Accelerator::Kvm),
                "tcg" => Some(Accelerator::Tcg),
                _ => None,
            },
            _ => None,
        }
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

/// Whether a program of this name is a QEMU system emulator: not qemu-img, qemu-nbd or
/// the user-mode emulators. `name` may be cut to 15 bytes, as the kernel does.
pub fn is_system_emulator(name: &str) -> bool {
    // NixOS hides the program behind a wrapper of that form.
    let name = name.strip_prefix('.').unwrap_or(name);
    name.starts_with("qemu-system-") || matches!(name, "qemu-kvm" | "kvm" | "qemu-dm")
}
