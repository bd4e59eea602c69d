//! The virtual CPUs of a VM at its start (hw/core/machine-smp.c), and those that are devices. Pure.

use super::options::{Keyed, number};

/// The levels of the topology.
const LEVELS: [&str; 8] =
    ["drawers", "books", "sockets", "dies", "clusters", "modules", "cores", "threads"];

/// What the options say of CPUs, collected.
#[derive(Debug, Default)]
pub(super) struct Processors {
    smp: Keyed,
    /// CPUs that are devices: Proxmox gives those that can be unplugged so.
    devices: u32,
    /// On POWER a device is a core, with all its threads.
    cores: u32,
}

impl Processors {
    pub(super) fn section(&mut self, group: &str, keyed: &Keyed) {
        match group {
            "smp-opts" => self.smp.take(keyed.clone()),
            "machine" => self.smp.take(keyed.below("smp")),
            "device" => {
                let driver = keyed.get("driver").unwrap_or_default();
                let add =
                    |count: u32, ending| count.saturating_add(driver.ends_with(ending).into());
                self.devices = add(self.devices, "-cpu");
                self.cores = add(self.cores, "-cpu-core");
            }
            _ => {}
        }
    }

    /// `None`: not said plainly.
    pub(super) fn count(&self) -> Option<u32> {
        let cores = match self.cores {
            0 => 0,
            cores => cores.checked_mul(self.level("threads")?)?,
        };
        self.at_start()?.checked_add(self.devices)?.checked_add(cores)
    }

    /// `cpus`, or else all that the topology has room for. Without -smp it is one.
    fn at_start(&self) -> Option<u32> {
        for key in ["cpus", "maxcpus"] {
            match self.smp.get(key).map(number) {
                Some(Some(0)) | None => {}
                Some(count) => return u32::try_from(count?).ok(),
            }
        }
        LEVELS.into_iter().try_fold(1_u32, |product, level| product.checked_mul(self.level(level)?))
    }

    /// One, where it isn't said. `None`: no number.
    fn level(&self, level: &str) -> Option<u32> {
        let Some(text) = self.smp.get(level) else { return Some(1) };
        u32::try_from(number(text)?).ok().map(|count| count.max(1))
    }
}
