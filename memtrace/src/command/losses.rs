//! What the commands that read a recording say of its unreadable parts.

use std::path::Path;

use anyhow::{Error, anyhow};

use memtrace_store::recording::Loss;

/// Tells them on standard error.
pub(crate) fn tell(losses: &[Loss]) {
    for loss in losses {
        tracing::warn!("{loss}");
    }
}

/// The error when no sample could be read of `source`.
pub(crate) fn no_samples(source: &Path, losses: &[Loss]) -> Error {
    let lines: String = losses.iter().map(|loss| format!("\n  {loss}")).collect();
    anyhow!("no samples in {}{lines}", source.display())
}
