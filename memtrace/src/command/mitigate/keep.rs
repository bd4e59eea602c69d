//! So that memtrace lives when the host does not: its memory stays in RAM, and the OOM
//! killer takes others first. What is refused is said once, and nothing more.

use std::fs;
use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// As low as a service that a host needs; -1000 would make it untouchable (proc(5)).
const SCORE: i32 = -900;
const FILE: &str = "/proc/self/oom_score_adj";

/// Does both. Call it before there are threads: what is there already is read in at once,
/// what comes later as it is used.
pub(super) fn alive() {
    if let Err(reason) = lock() {
        tracing::warn!("memtrace's memory is not locked and may be swapped out: {reason}");
    }
    match lower() {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::info!("{FILE} stays as it is: lowering it needs CAP_SYS_RESOURCE");
        }
        Err(error) => tracing::info!("{FILE} stays as it is: {error}"),
    }
}

/// Under a limit, later allocations would fail where they now succeed (mlock(2)); so only
/// without one.
fn lock() -> Result<(), String> {
    let may = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if let (false, Some(limit)) = (may, getrlimit(Resource::Memlock).current) {
        return Err(format!("without CAP_IPC_LOCK the limit is {} MiB", limit >> 20));
    }
    mlockall(MlockAllFlags::CURRENT)
        .and_then(|()| mlockall(MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT))
        .map_err(|error| error.to_string())
}

fn lower() -> io::Result<()> {
    let now = fs::read_to_string(FILE)?;
    if now.trim().parse::<i32>().is_ok_and(|now| now <= SCORE) {
        return Ok(());
    }
    fs::write(FILE, format!("{SCORE}\n"))
}
