//! What a live source is to ask.

/// Options of a live source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Ask libvirt about the VMs that it owns.
    pub libvirt: bool,
    /// Ask QEMU itself about the others.
    pub qmp: bool,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { libvirt: true, qmp: true }
    }
}
