//! Waiting for a condition, never for a time.

use std::time::Duration;

use anyhow::{Context as _, Result};
use memtrace_lab_host::wait::poll;

/// Asks until there is an answer.
///
/// # Errors
/// When asking fails, or there is none within `limit`.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    poll(limit, || ask().transpose())
        .with_context(|| format!("waited {} s in vain: {what}", limit.as_secs()))?
}
