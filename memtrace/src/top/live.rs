//! Opens the sources of the live host.

use anyhow::{Result, bail};

use crate::cli::Verbosity;
use crate::hostfs::HostRoot;
use crate::probe;
use crate::source::Source;

/// The kernel side, the host's files and, where `libvirt` says so, libvirt.
///
/// # Errors
/// When the kernel side cannot run at all.
pub(super) fn source(
    root: HostRoot,
    verbosity: Verbosity,
    libvirt: bool,
) -> Result<Box<dyn Source>> {
    let kernel = probe::open(&root.sys, verbosity.programs())?;
    tracing::debug!(signals = kernel.signals().len(), libvirt, "the kernel side runs");
    bail!("the live source is not built yet")
}
