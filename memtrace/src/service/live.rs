//! Opens what commands need of the live host.

use anyhow::{Context, Result};
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::LiveSource;
use memtrace_host::privileges;

use crate::cli::Verbosity;

/// The files of this host.
///
/// # Errors
/// When /proc isn't mounted.
pub fn host() -> Result<HostRoot> {
    HostRoot::live().context("cannot read /proc; is it mounted?")
}

/// The files of this host, for a process that has the privileges to sample it.
///
/// # Errors
/// As [`host`], and [`privileges::Denied`].
pub fn privileged_host() -> Result<HostRoot> {
    let root = host()?;
    privileges::require(&root)?;
    Ok(root)
}

/// The source of samples of this host.
pub fn source(root: HostRoot, verbosity: Verbosity, libvirt: bool) -> LiveSource {
    LiveSource::open(root, verbosity.programs(), libvirt)
}
