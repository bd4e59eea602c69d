//! Standard output, for everything but the live view.

use std::io::{self, Write};

use anyhow::{Context, Result};

/// Writes all of `text` now.
///
/// # Errors
/// When the pipe is broken (which [`crate::sys::exit`] ignores) or the disk is full.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}
