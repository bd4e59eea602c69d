//! The memory of a VM by its options: the size that it boots with, and what is plugged in beside it
//! (hw/core/machine.c, hw/mem/pc-dimm.c, hw/virtio/virtio-mem.c). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{Keyed, is_on, size};
use crate::hostfs::list;
use memtrace_core::units::Bytes;

/// The options that make memory, collected; the parts may come in any order.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// `-m`: of the boot memory, and up to what it may grow.
    boot: Option<u64>,
    most: Option<u64>,
    /// `-object memory-backend-*`, by id.
    backends: BTreeMap<String, Backend>,
    /// The backend of the boot memory.
    machine: Option<String>,
    /// The backends of `-device pc-dimm`.
    dimms: Vec<Option<String>>,
    /// It has a device whose size the guest and its manager negotiate.
    virtio_mem: bool,
    hyper_v: bool,
    /// The host's nodes that backends are bound to: a list of each.
    bound: Vec<String>,
}

#[derive(Debug)]
struct Backend {
    size: Option<u64>,
    shared: bool,
}

impl Backend {
    fn of(keyed: &Keyed) -> Self {
        let kind = keyed.get("qom-type");
        // Those are shared unless it is said that they aren't (backends/hostmem-memfd.c).
        let by_itself = ["memory-backend-memfd", "memory-backend-shm"].map(Some).contains(&kind);
        let shared = keyed.get("share").map_or(by_itself, is_on);
        Self { size: bytes(keyed, "size", 1), shared }
    }
}

fn bytes(keyed: &Keyed, key: &str, plain: u64) -> Option<u64> {
    size(keyed.get(key)?, plain)
}

impl Memory {
    pub(super) fn section(&mut self, group: &str, keyed: &Keyed) {
        match group {
            // A number alone is of mebibytes, and of bytes everywhere else (system/vl.c).
            "memory" => {
                self.boot = bytes(keyed, "size", 1 << 20).or(self.boot);
                self.most = bytes(keyed, "maxmem", 1).or(self.most);
            }
            "machine" => {
                self.boot = bytes(keyed, "memory.size", 1).or(self.boot);
                self.most = bytes(keyed, "memory.max-size", 1).or(self.most);
                let backend = keyed.get("memory-backend").map(str::to_owned);
                self.machine = backend.or(self.machine.take());
            }
            "object" if keyed.is_kind("qom-type", "memory-backend-") => {
                if let Some(id) = keyed.get("id") {
                    self.backends.insert(id.to_owned(), Backend::of(keyed));
                }
                if keyed.get("policy") == Some("bind") {
                    self.bound.push(keyed.host_nodes());
                }
            }
            "device" if keyed.get("driver") == Some("pc-dimm") => {
                self.dimms.push(keyed.get("memdev").map(str::to_owned));
            }
            "device" => {
                self.virtio_mem |= keyed.is_kind("driver", "virtio-mem");
                // The dynamic memory of Hyper-V adds what its backend has.
                self.hyper_v |= keyed.get("driver") == Some("hv-balloon") && keyed.has("memdev");
            }
            _ => {}
        }
    }

    /// At the start: boot memory and all DIMMs. `None`: not said, or not in these options.
    pub(super) fn at_start(&self) -> Option<Bytes> {
        let of = |id: &Option<String>| self.backends.get(id.as_ref()?)?.size;
        let boot = self.boot.or_else(|| of(&self.machine))?;
        self.dimms.iter().try_fold(boot, |sum, id| sum.checked_add(of(id)?)).map(Bytes)
    }

    /// Most of it is shared: a small region for a device of its own doesn't count.
    pub(super) fn is_shared(&self) -> bool {
        let sum = |backends: &mut dyn Iterator<Item = &Backend>| {
            backends.fold(0_u64, |sum, backend| sum.saturating_add(backend.size.unwrap_or(0)))
        };
        let shared = sum(&mut self.backends.values().filter(|backend| backend.shared));
        let all = self.at_start().map_or_else(|| sum(&mut self.backends.values()), |all| all.0);
        shared > all / 2
    }

    /// The host's nodes that it is bound to; empty: to none. `None`: not said plainly.
    pub(super) fn bound_nodes(&self) -> Option<BTreeSet<u32>> {
        // QEMU binds to no empty list: one that is empty here has another form.
        if self.bound.iter().any(String::is_empty) {
            return None;
        }
        list::numbers(&self.bound.join(","))
    }

    /// Why it may have another size by now.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        if self.virtio_mem {
            return Some("a virtio-mem device changes its size");
        }
        if self.hyper_v {
            return Some("an hv-balloon device changes its size");
        }
        let grown = self.most.zip(self.at_start()).is_some_and(|(most, now)| most > now.0);
        grown
            .then_some("memory can be hot-plugged (maxmem), and only the monitor knows how much is")
    }
}
