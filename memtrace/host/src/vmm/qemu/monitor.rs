//! The monitors of a QEMU: which sockets speak QMP, and whether libvirt holds them.

use std::collections::BTreeMap;

use super::Libvirt;
use super::options::Keyed;

/// Most monitors of a VM, and longest path of one. A path may be named many times, so that these
/// bound what a stranger's options take; the kernel's limit on a path of a socket is 107 bytes, and
/// one below a long directory is opened by a shorter name.
const MOST_SOCKETS: usize = 16;
const LONGEST_PATH: usize = 4096;

/// The options that make monitors, collected; the parts may come in any order.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    /// `-chardev`, by id.
    chardevs: BTreeMap<String, Keyed>,
    /// Ids of the chardevs that `-mon` gives to QMP.
    control: Vec<String>,
    /// Arguments of `-qmp unix:...`.
    direct: Vec<Keyed>,
    master_key: Option<String>,
}

impl Monitors {
    /// `-qmp` alone has no group.
    pub(super) fn direct(&mut self, argument: &str) {
        if let Some(unix) = argument.strip_prefix("unix:") {
            self.direct.push(Keyed::parse(unix, "path"));
        } else if let Some(id) = argument.strip_prefix("chardev:") {
            self.control.push(id.to_owned());
        }
    }

    pub(super) fn section(&mut self, group: &str, keyed: &Keyed) {
        match group {
            "chardev" => {
                if let Some(id) = keyed.get("id") {
                    self.chardevs.insert(id.to_owned(), keyed.clone());
                }
            }
            "mon" if keyed.get("mode") == Some("control") => {
                self.control.extend(keyed.get("chardev").map(str::to_owned));
            }
            "object" if keyed.is_kind("id", "masterKey") => {
                self.master_key = keyed.get("file").map(str::to_owned);
            }
            _ => {}
        }
    }

    pub(super) fn sockets(&self) -> Vec<String> {
        let chardevs = self
            .control
            .iter()
            .filter_map(|id| self.chardevs.get(id))
            .filter(|chardev| chardev.get("backend") == Some("socket"));
        self.direct
            .iter()
            .chain(chardevs)
            // Without `server` QEMU is the client. A descriptor that it inherited has no
            // path, and an abstract socket none in the file system.
            .filter(|socket| socket.is_on("server") && !socket.is_on("abstract"))
            .filter_map(|socket| socket.get("path").filter(|path| path.len() <= LONGEST_PATH))
            .take(MOST_SOCKETS)
            .map(str::to_owned)
            .collect()
    }

    /// libvirt calls its monitor `charmonitor` and hands over a key, both below a
    /// directory of its own (src/qemu/qemu_command.c). Since 4.3 the monitor's socket is
    /// an inherited descriptor.
    pub(super) fn libvirt(&self) -> Option<Libvirt> {
        let monitor = self.chardevs.get("charmonitor");
        let path = monitor.and_then(|monitor| monitor.get("path"));
        let places = [self.master_key.as_deref(), path];
        let mut owned = places.into_iter().flatten().filter(|place| place.contains("/libvirt/"));
        if let Some(place) = owned.next() {
            return Some(whose(place));
        }
        monitor.is_some_and(|monitor| monitor.has("fd")).then_some(Libvirt::System)
    }
}

/// Directories of the instance that the host runs for all users.
const OF_SYSTEM: [&str; 3] = ["/var/lib/libvirt/", "/run/libvirt/", "/var/run/libvirt/"];

fn whose(place: &str) -> Libvirt {
    if OF_SYSTEM.iter().any(|directory| place.starts_with(directory)) {
        Libvirt::System
    } else if place.contains("/kubevirt-private/") {
        Libvirt::Contained
    } else {
        // Below $XDG_CONFIG_HOME, $XDG_CACHE_HOME or $XDG_RUNTIME_DIR, wherever these are.
        Libvirt::Session
    }
}
