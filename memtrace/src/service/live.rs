//! Opens what commands need of the live host.

use anyhow::{Context, Result};
use memtrace_core::settings::VmTable;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::LiveSource;
use memtrace_host::privileges;
use memtrace_host::probe::Hooking;

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

/// Which hooks are attached: as was asked for, or as the configuration in its usual place says.
pub fn hooking(always: bool) -> Hooking {
    Hooking::when(always || config::chosen(None).is_ok_and(|config| config.always_hooked))
}

/// The source of samples of this host. From here on this thread, and all that it starts, have the
/// few privileges that reading and acting take: what needs others is opened before.
pub fn source(root: HostRoot, verbosity: Verbosity, libvirt: bool, hooking: Hooking) -> LiveSource {
    let source = LiveSource::open(root, verbosity.programs(), libvirt, hooking);
    privileges::keep_few();
    source
}

/// The same, which tells when the host stalls.
pub fn watchful_source(
    root: HostRoot,
    verbosity: Verbosity,
    libvirt: bool,
    hooking: Hooking,
) -> LiveSource {
    let pressure = root.proc.join("pressure/memory");
    let mut source = LiveSource::open(root, verbosity.programs(), libvirt, hooking);
    if let Err(error) = source.watch_stalls(&pressure) {
        // `doctor` reports it; there are other signs of pressure.
        tracing::debug!("no PSI trigger: {error}");
    }
    privileges::keep_few();
    source
}
