//! The balloon device that a VM is started with, and its options (hw/virtio/virtio-balloon.c).
//! Pure.

use super::options::{Keyed, is_on};
use super::sections::Sections;

/// The options of a balloon device; all are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BalloonOptions {
    pub deflate_on_oom: bool,
    pub free_page_reporting: bool,
    pub driver: BalloonDriver,
}

/// What a balloon device is connected by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BalloonDriver {
    #[default]
    Pci,
    Ccw,
    /// The machine itself has a place for it, as microvm does (virtio-mmio).
    Mmio,
}

impl BalloonDriver {
    /// The name of QEMU's driver.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pci => "virtio-balloon-pci",
            Self::Ccw => "virtio-balloon-ccw",
            Self::Mmio => "virtio-balloon-device",
        }
    }

    /// That of a type of machine; microvm has PCI only if it is told so.
    pub(super) fn of_machine(kind: &str, pcie: Option<&str>) -> Self {
        match kind {
            "microvm" if !pcie.is_some_and(is_on) => Self::Mmio,
            _ if kind.starts_with("s390-ccw") => Self::Ccw,
            _ => Self::Pci,
        }
    }

    fn of(name: &str) -> Self {
        let all = [Self::Ccw, Self::Mmio];
        all.into_iter().find(|driver| driver.name() == name).unwrap_or_default()
    }
}

/// The balloon among the devices.
pub(super) fn find(sections: &Sections) -> Option<BalloonOptions> {
    let devices = sections.iter().filter(|(group, _)| *group == "device").map(|(_, device)| device);
    let device = devices.filter(|device| device.is_kind("driver", "virtio-balloon")).last()?;
    Some(BalloonOptions {
        deflate_on_oom: option(sections, device, "deflate-on-oom"),
        free_page_reporting: option(sections, device, "free-page-reporting"),
        driver: BalloonDriver::of(device.get("driver").unwrap_or_default()),
    })
}

/// As the device itself has it, else as `-global` says.
fn option(sections: &Sections, device: &Keyed, property: &str) -> bool {
    let driver = device.get("driver").unwrap_or_default();
    let mut drivers = vec![driver, "virtio-balloon-device"];
    match driver {
        // Which one it stands for depends on the architecture.
        "virtio-balloon" => drivers.extend(["virtio-balloon-pci", "virtio-balloon-ccw"]),
        _ if driver.starts_with("virtio-balloon-pci") => drivers.push("virtio-balloon-pci-base"),
        _ => {}
    }
    device.get(property).or_else(|| sections.global(&drivers, property)).is_some_and(is_on)
}
