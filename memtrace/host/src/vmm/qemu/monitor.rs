//! The monitors of a QEMU: which sockets speak QMP, and whether libvirt holds them.

use std::collections::BTreeMap;

use super::Libvirt;
use super::options::Keyed;

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
    pub(super) fn option(&mut self, option: &str, argument: &str) {
        match option {
            "chardev" => {
                let keyed = Keyed::parse(argument, "backend");
                if let Some(id) = keyed.get("id") {
                    self.chardevs.insert(id.to_owned(), keyed);
                }
            }
            "mon" => {
                let keyed = Keyed::parse(argument, "chardev");
                if keyed.get("mode") == Some("control") {
                    self.control.extend(keyed.get("chardev").map(str::to_owned));
                }
            }
            "qmp" | "qmp-pretty" => {
                if let Some(unix) = argument.strip_prefix("unix:") {
                    self.direct.push(Keyed::parse(unix, "path"));
                } else if let Some(id) = argument.strip_prefix("chardev:") {
                    self.control.push(id.to_owned());
                }
            }
            "object" => {
                let keyed = Keyed::parse(argument, "qom-type");
                if keyed.get("id").is_some_and(|id| id.starts_with("masterKey")) {
                    self.master_key = keyed.get("file").map(str::to_owned);
                }
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
            .filter_map(|socket| socket.get("path").map(str::to_owned))
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
            // /home/USER/.config/libvirt, /run/user/1000/libvirt: a user's own.
            let session = place.contains("/.config/libvirt/") || place.starts_with("/run/user/");
            return Some(if session { Libvirt::Session } else { Libvirt::System });
        }
        monitor.is_some_and(|monitor| monitor.has("fd")).then_some(Libvirt::System)
    }
}
