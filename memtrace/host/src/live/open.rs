//! Opens everything that a live source reads: the kernel side, the host's files and the
//! hypervisors.

use super::{LiveOptions, LiveSource};
use crate::hostfs::HostRoot;
use crate::probe;

impl LiveSource {
    /// Where the eBPF programs cannot run, their values are absent with the reason. `log`: the
    /// programs write messages.
    pub fn open(root: HostRoot, log: bool, libvirt: bool) -> Self {
        let kernel = probe::open(&root.sys, log).map_err(|error| {
            let reason = format!("eBPF programs unavailable: {error:#}");
            tracing::warn!("{reason}");
            reason
        });
        let options = LiveOptions { libvirt, ..LiveOptions::default() };
        Self::new(root, kernel, options)
    }
}
