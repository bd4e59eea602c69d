//! Ctrl-C, SIGTERM and SIGHUP: noted by a thread of its own, asked about by everybody who
//! waits, so that an interrupted task unwinds and undoes what it did.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts to listen. From here on a signal no longer ends this process by itself.
///
/// # Errors
/// When no thread or no signal handler can be had.
pub fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ready, listening) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let kinds = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
                signal(SignalKind::hangup()),
            );
            let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = kinds else { return };
            if ready.send(()).is_err() {
                return;
            }
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if !ASKED.swap(true, Ordering::SeqCst) {
                    eprintln!("\ninterrupted: cleaning up ...");
                }
            }
        });
    })?;
    listening.recv().context("can't listen for signals")
}

/// Whether the user wants an end.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// An error if the user wants an end.
///
/// # Errors
/// As said.
pub fn check() -> Result<()> {
    if asked() {
        bail!("interrupted");
    }
    Ok(())
}
