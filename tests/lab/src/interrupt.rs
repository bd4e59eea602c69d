//! Ctrl-C, SIGTERM and SIGHUP: a thread notes them, and every wait checks for them, so that an
//! interrupted task unwinds and undoes what it did.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts to listen. From here on a signal no longer ends this process by itself.
///
/// # Errors
/// When no thread or no signal handler can be had.
pub fn listen() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("can't listen for signals")?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if !ASKED.swap(true, Ordering::SeqCst) {
                eprintln!("\ninterrupted: cleaning up ...");
            }
        }
    })?;
    Ok(())
}

/// Whether an end was requested.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// An error if an end was requested.
///
/// # Errors
/// The error.
pub fn check() -> Result<()> {
    if asked() {
        bail!("interrupted");
    }
    Ok(())
}
