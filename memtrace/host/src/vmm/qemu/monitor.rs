//! The monitors of a QEMU: which sockets speak QMP, and whether libvirt holds them.

use std::collections::BTreeMap;

use super::options::Keyed;
use super::{LONGEST_PATH, Libvirt};

/// Most monitors of a VM. A path may be named many times, so that this and its length bound what a
/// stranger's options take; the kernel's limit on a path of a socket is 107 bytes, and one below a
/// long directory is opened by a shorter name.
const MOST_SOCKETS: usize = 16;

/// The options that make monitors, collected; the parts may come in any order.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    /// `-chardev`, by id.
    chardevs: BTreeMap<String, Keyed>,
    /// Ids of the chardevs that `-mon` gives to QMP.
    control: Vec<String>,
    /// What `-qmp unix:...` and its like make.
    direct: Vec<Keyed>,
    master_key: Option<String>,
}

impl Monitors {
    pub(super) fn section(&mut self, group: &str, keyed: &Keyed) {
        match group {
            "qmp" => self.direct(keyed.get("to").unwrap_or_default()),
            "chardev" => {
                if let Some(id) = keyed.get("id") {
                    self.chardevs.insert(id.to_owned(), chardev(keyed));
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

    /// `-qmp`: what a serial line may be, in its older form (chardev/char.c,
    /// `qemu_chr_parse_compat`).
    fn direct(&mut self, argument: &str) {
        let (kind, rest) = argument.split_once(':').unwrap_or((argument, ""));
        let (backend, mut device) = match kind {
            "chardev" => return self.control.push(rest.to_owned()),
            "unix" => ("socket", Keyed::parse(rest, "path")),
            "tcp" | "telnet" | "tn3270" | "websocket" => ("socket", Keyed::default()),
            "null" | "none" => return,
            _ => (kind, Keyed::default()),
        };
        device.set("backend", backend);
        self.direct.push(device);
    }

    /// The devices that speak QMP.
    fn devices(&self) -> impl Iterator<Item = &Keyed> {
        let of_control = self.control.iter().filter_map(|id| self.chardevs.get(id));
        self.direct.iter().chain(of_control)
    }

    pub(super) fn sockets(&self) -> Vec<String> {
        let sockets = self.devices().filter(|device| elsewhere(device).is_none());
        sockets
            .filter_map(|socket| socket.get("path").filter(|path| path.len() <= LONGEST_PATH))
            .take(MOST_SOCKETS)
            .map(str::to_owned)
            .collect()
    }

    /// Where QMP is served that can't be asked, if it is.
    pub(super) fn elsewhere(&self) -> Option<&'static str> {
        self.devices().find_map(elsewhere)
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

/// One of JSON has what makes it a socket further inside (`ChardevBackend` of qapi/char.json).
fn chardev(keyed: &Keyed) -> Keyed {
    let mut chardev = keyed.clone();
    let names = [
        ("backend", "backend.type"),
        ("path", "backend.data.addr.data.path"),
        ("fd", "backend.data.addr.data.str"),
        ("abstract", "backend.data.addr.data.abstract"),
        ("server", "backend.data.server"),
    ];
    for (name, inside) in names {
        if let Some(value) = keyed.get(inside) {
            chardev.set(name, value);
        }
    }
    // There it listens unless it is said that it doesn't.
    if keyed.has("backend.type") && !chardev.has("server") {
        chardev.set("server", "on");
    }
    chardev
}

/// Why memtrace can't connect to a device that speaks QMP. `None`: it can.
fn elsewhere(device: &Keyed) -> Option<&'static str> {
    if device.get("backend") != Some("socket") {
        return Some("QEMU speaks QMP on a device that is no socket");
    }
    if device.has("fd") {
        return Some("QEMU's QMP socket was made by its manager, and has no path");
    }
    if !device.has("path") {
        return Some("QEMU speaks QMP on a network port, which memtrace doesn't use");
    }
    if !device.is_on("server") {
        return Some("QEMU connects its QMP to its manager, and listens on no socket");
    }
    device
        .is_on("abstract")
        .then_some("QEMU's QMP socket is an abstract one, which has no place in the file system")
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
