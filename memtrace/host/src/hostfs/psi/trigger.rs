//! Notification when tasks stall on memory (PSI triggers, "Monitoring for
//! pressure thresholds" in Documentation/accounting/psi.rst).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

/// Stall time of some task within the window.
const STALL: Duration = Duration::from_millis(150);
/// The second is for processes without CAP_SYS_RESOURCE: since 6.5 they may have windows that are
/// multiples of 2 s (`psi_trigger_create`, kernel/sched/psi.c).
const WINDOWS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// A PSI trigger: notifies at most once per window. Removed when dropped.
#[derive(Debug)]
pub struct Trigger {
    file: File,
    window: Duration,
}

impl Trigger {
    /// `path`: /proc/pressure/memory, or a cgroup's memory.pressure.
    ///
    /// # Errors
    /// Without PSI, without the permission, or before 6.5 without the privilege; and for a
    /// file that isn't the kernel's, which would be written to.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::other("not a kernel file: it has a length"));
        }
        let mut refusal = io::Error::from(io::ErrorKind::PermissionDenied);
        for window in WINDOWS {
            // One write is one trigger, and the kernel wants a terminating NUL.
            let text = format!("some {} {}\0", STALL.as_micros(), window.as_micros());
            match file.write_all(text.as_bytes()) {
                Ok(()) => return Ok(Self { file, window }),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Maximum delay of a notification.
    pub const fn window(&self) -> Duration {
        self.window
    }
}

/// Polled for `POLLPRI`; `POLLERR` says that the cgroup is gone.
impl AsFd for Trigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gets_what_it_asks_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory");
        assert!(Trigger::open(&path).is_err(), "there is no PSI");
        std::fs::write(&path, "").unwrap();
        let trigger = Trigger::open(&path).unwrap();
        assert_eq!(trigger.window(), Duration::from_secs(1));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "some 150000 1000000\0");
        assert!(Trigger::open(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it was left alone");
    }
}
