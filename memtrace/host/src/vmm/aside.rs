//! Reads files that may hang (on FUSE or a network) on threads of their own, so that none holds up
//! the sampling. What doesn't come in time is an error, and may come later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

/// Most readings that are late at once; each keeps a thread.
const MOST: usize = 4;

static LATE: AtomicUsize = AtomicUsize::new(0);

/// A reading that was begun.
#[derive(Debug)]
pub struct Aside<T> {
    result: Receiver<T>,
    late: Arc<Late>,
}

/// Counts in [`LATE`] from the first time that it wasn't there to its end.
#[derive(Debug, Default)]
struct Late {
    counted: AtomicBool,
}

impl Late {
    fn count(&self) {
        if !self.counted.swap(true, Ordering::Relaxed) {
            LATE.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if *self.counted.get_mut() {
            LATE.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<T: Send + 'static> Aside<T> {
    /// Begins `read` on a thread.
    ///
    /// # Errors
    /// When too many are late already, or no thread can be started.
    pub fn begin(read: impl FnOnce() -> T + Send + 'static) -> Result<Self, String> {
        if LATE.load(Ordering::Relaxed) >= MOST {
            return Err("too many files of VMs don't answer".to_owned());
        }
        let (send, result) = sync_channel(1);
        let late = Arc::new(Late::default());
        let counted = Arc::clone(&late);
        let run = move || {
            // The reader may have given up.
            let _ = send.send(read());
            drop(counted);
        };
        let thread = thread::Builder::new().name("memtrace-files".to_owned()).spawn(run);
        thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { result, late })
    }

    /// The result, once it is there; `None`: not yet.
    pub fn poll(&self, patience: Duration) -> Option<T> {
        let result = self.result.recv_timeout(patience).ok();
        if result.is_none() {
            self.late.count();
        }
        result
    }
}

/// What `read` gives within `patience`.
///
/// # Errors
/// Its own, or that it didn't come in time.
pub fn within<T: Send + 'static>(
    patience: Duration,
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let late = || Err(format!("no answer within {} ms", patience.as_millis()));
    Aside::begin(read)?.poll(patience).unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_hangs_is_an_error_and_holds_up_nothing() {
        let (go, gate) = channel::<()>();
        let late = within(Duration::from_millis(1), move || Ok(gate.recv().is_ok()));
        assert_eq!(late, Err("no answer within 1 ms".to_owned()));
        assert_eq!(within(Duration::from_secs(20), || Ok(5)), Ok(5));
        drop(go);
    }
}
