//! The tokio runtime of a command.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

/// A runtime on this thread.
///
/// # Errors
/// For lack of file descriptors.
pub fn current_thread() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the tokio runtime")
}
