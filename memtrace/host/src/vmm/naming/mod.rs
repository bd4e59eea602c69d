//! What the operator of a platform calls a VM: an adapter for each, which reads and changes
//! nothing. Pure; everything in it is untrusted text, made fit for display and of bounded length.
//!
//! A name is for people. Who a VM is, discovery has found out before; settings of a platform count
//! only where the kernel shows that the process is that platform's (`Named::proven`).

mod containers;
mod files;
pub mod metadata;
mod micro;
mod proxmox;
mod settle;
#[cfg(test)]
mod tests;

pub use self::files::{NamedVm, Naming};
pub use self::settle::{CalledVm, settle};
use super::judge::Description;
use super::name;
use memtrace_core::sample::{Platform, VmLabels};
use memtrace_core::settings::VmSettings;

/// Most labels beside the names.
const MOST_LABELS: usize = 16;

/// A VM, as an adapter sees it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub description: &'a Description,
    /// The lines of /proc/PID/cgroup, which tell where its manager put it.
    pub cgroups: &'a str,
    /// It belongs to root on the host, outside of containers, so no other user can pose as it.
    pub of_root: bool,
}

/// What an adapter found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    pub labels: VmLabels,
    /// What the platform has set for its balloon.
    pub settings: VmSettings,
    /// The kernel shows that it is this platform's VM.
    pub proven: bool,
}

/// One platform.
pub trait Adapter: Sync {
    /// `None`: the VM is none of this platform's.
    fn recognise(&self, subject: &Subject<'_>) -> Option<Named>;

    /// Path on the host of a file that says more.
    fn file(&self, _: &Named) -> Option<String> {
        None
    }

    /// With what that file says.
    fn complete(&self, named: Named, _: &str) -> Named {
        named
    }
}

/// The first one that recognises a VM names it.
pub(crate) static ADAPTERS: [&dyn Adapter; 7] = [
    &proxmox::Proxmox,
    &containers::Kubevirt,
    &containers::SystemContainers(Platform::Incus, "incus"),
    &containers::SystemContainers(Platform::Lxd, "lxd"),
    &metadata::Nova,
    &metadata::Ovirt,
    &micro::Micro,
];

impl Named {
    fn new(platform: Platform) -> Self {
        let labels = VmLabels { platform: Some(platform), ..VmLabels::default() };
        Self { labels, ..Self::default() }
    }
}

/// A word fit for display; `None` if nothing is left.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| name::display(text))
}

/// Adds a label, unless there are too many.
fn add(labels: &mut VmLabels, key: &str, value: Option<&str>) {
    if let Some(value) = value.and_then(word)
        && labels.more.len() < MOST_LABELS
    {
        labels.more.insert(name::display(key), value);
    }
}

/// The name that QEMU was given, unless it is another VM's.
fn given<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let description = subject.description;
    let given = description.qemu.as_ref()?.name.as_deref()?;
    (name::display(given) == description.name).then_some(given)
}

/// Whether it poses as hardware of that product or maker.
fn poses_as(subject: &Subject<'_>, products: &[&str]) -> bool {
    let qemu = subject.description.qemu.as_ref();
    qemu.is_some_and(|qemu| {
        qemu.products.iter().any(|product| products.iter().any(|known| product.contains(known)))
    })
}
