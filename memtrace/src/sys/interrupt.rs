//! Termination signals: noted, and checked where a run can be aborted, so that everything is undone
//! on the way out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// The signal received, if any.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicI32>);

/// The run was aborted by this signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted(pub i32);

impl std::error::Error for Interrupted {}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted by signal {}", self.0)
    }
}

impl Interrupted {
    /// The shell's exit code for a program killed by a signal.
    pub fn code(self) -> u8 {
        u8::try_from(self.0.saturating_add(128)).unwrap_or(u8::MAX)
    }
}

impl Interrupt {
    /// Handles SIGINT, SIGTERM and SIGHUP: the first is noted instead of ending the process, the
    /// second of the same kind ends it.
    ///
    /// # Errors
    /// When they can't be waited for.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let runtime = super::runtime::current_thread()?;
        let mut signals = Vec::new();
        {
            let _entered = runtime.enter();
            for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
                signals
                    .push((signal(kind).context("cannot wait for signals")?, kind.as_raw_value()));
            }
        }
        for (mut signal, number) in signals {
            let noted = interrupt.clone();
            runtime.spawn(async move {
                if signal.recv().await.is_some() {
                    noted.note(number);
                }
                // A run that waits for a pipe whose reader is stuck never looks at the note.
                if signal.recv().await.is_some() {
                    std::process::exit(i32::from(Interrupted(number).code()));
                }
            });
        }
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .context("cannot wait for signals")?;
        Ok(interrupt)
    }

    fn note(&self, signal: i32) {
        self.0.store(signal, Ordering::Relaxed);
    }

    /// # Errors
    /// [`Interrupted`] once a signal came.
    pub fn check(&self) -> Result<(), Interrupted> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Interrupted(signal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_noted_for_all_who_ask() {
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        assert_eq!(interrupt.check(), Ok(()));
        other.note(15);
        assert_eq!(interrupt.check(), Err(Interrupted(15)));
        assert_eq!(Interrupted(15).code(), 143);
    }
}
