//! Processes of a user who wants looking for VMs to take long. Needs no BPF, but to be root.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use memtrace_core::units::Nanos;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::vmm::discover::Discovery;
use memtrace_tests::standin::StandIn;

use crate::Test;
use crate::support::start;

pub const TESTS: &[(&str, Test)] =
    &[("descriptors_by_the_thousand_neither_make_scans_long_nor_hide_a_vm", hoarders)];

/// nobody.
const STRANGER: u32 = 65_534;
const HOARDERS: usize = 16;
/// As many as a process may open without asking.
const DESCRIPTORS: usize = 1000;
/// Most work of a scan, a second after the one before, and one process beyond it.
const MOST: u64 = 16 * 1024 + 1024;
/// Scans until all are looked through.
const PATIENCE: u64 = 60;

fn hoarders() -> Result<()> {
    let dir = tempfile::tempdir()?;
    set_permissions(dir.path(), Permissions::from_mode(0o755))?;
    let root = HostRoot::live()?;
    let mut discovery = Discovery::default();
    // Scans are a second apart by the time that they are told.
    let at = |second: u64| Nanos((1000 + second) * Nanos::SECOND.0);
    discovery.scan(&root, at(0))?;
    let mut all = Vec::new();
    for _ in 0..HOARDERS {
        let mut standin = StandIn::start_as(dir.path(), "qemu-system-standin", Some(STRANGER))?;
        standin.hoard(DESCRIPTORS)?;
        all.push(standin);
    }
    let vm = start(dir.path())?;
    let mut found_at = None;
    for second in 1..PATIENCE {
        let before = discovery.work();
        discovery.scan(&root, at(second))?;
        let work = discovery.work() - before;
        ensure!(work <= MOST, "scan {second} looked at {work} descriptors");
        let has = |standin: &StandIn| discovery.vms().any(|vm| vm.pid == standin.pid());
        if found_at.is_none() && has(&vm) {
            found_at = Some((second, all.iter().filter(|one| has(one)).count()));
        }
        if found_at.is_some() && all.iter().all(has) {
            break;
        }
    }
    // Scans are bounded in time as well: on a slow machine it takes more of them, but those of the
    // other user don't go before.
    let soon = |(second, others): (u64, usize)| second <= 3 || others <= HOARDERS / 2;
    ensure!(found_at.is_some_and(soon), "root's VM was found at (scan, after others) {found_at:?}");
    let missing = all.iter().filter(|one| !discovery.vms().any(|vm| vm.pid == one.pid())).count();
    ensure!(missing == 0, "{missing} of {HOARDERS} were not found in {PATIENCE} scans");
    all.into_iter().chain([vm]).try_for_each(StandIn::end)
}
