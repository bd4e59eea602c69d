//! Opens what commands need of the live host.

use anyhow::{Context, Result};
use memtrace_core::settings::VmTable;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::LiveSource;
use memtrace_host::privileges;

use crate::cli::Verbosity;
use crate::config;

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

/// What the configuration in its usual place says of single VMs; nothing where that is invalid,
/// which the commands that go by it tell.
pub fn tables() -> Vec<VmTable> {
    config::chosen(None).map(|config| config.rules.vms).unwrap_or_default()
}

/// The source of samples of this host.
pub fn source(root: HostRoot, verbosity: Verbosity, libvirt: bool) -> LiveSource {
    LiveSource::open(root, verbosity.programs(), libvirt)
}
