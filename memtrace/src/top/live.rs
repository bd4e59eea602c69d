//! Opens the sources of the live host.

use crate::cli::Verbosity;
use crate::hostfs::HostRoot;
use crate::probe;
use crate::source::Source;
use crate::source::live::{LiveOptions, LiveSource};

/// The kernel side, the host's files and the hypervisors. Where the kernel side cannot
/// run, the rest is still worth seeing, and every number that it would have given says
/// why it is absent.
pub(super) fn source(root: HostRoot, verbosity: Verbosity, libvirt: bool) -> Box<dyn Source> {
    let kernel = probe::open(&root.sys, verbosity.programs()).map_err(|error| {
        let reason = format!("the kernel side does not run: {error:#}");
        tracing::warn!("{reason}");
        reason
    });
    let options = LiveOptions { libvirt, ..LiveOptions::default() };
    Box::new(LiveSource::new(root, kernel, options))
}
