//! Protects memtrace under memory pressure: locks its memory, and lowers its OOM score. Failures
//! are logged once.

use std::fs;
use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// The score of an essential service; -1000 would exempt it (proc(5)).
const SCORE: i32 = -900;
const FILE: &str = "/proc/self/oom_score_adj";

/// Does both. Call it before starting threads: existing memory is locked at once, later memory as
/// it is used.
pub(super) fn alive() {
    if let Err(reason) = lock() {
        tracing::warn!("memtrace's memory is not locked and may be swapped out: {reason}");
    }
    match lower() {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::info!("{FILE} unchanged: lowering it needs CAP_SYS_RESOURCE");
        }
        Err(error) => tracing::info!("{FILE} unchanged: {error}"),
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
