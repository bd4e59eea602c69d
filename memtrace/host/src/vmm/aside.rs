//! Reads files that may hang (on FUSE or a network, and those of a process whose address space is
//! locked) on threads of their own, so that none holds up the sampling. What doesn't come in time
//! is an error, and may come later. The files of one user that hang keep no others from being read.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::hostfs::HostRoot;
use crate::hostfs::process::maps::{self, Inode};
use crate::hostfs::process::{self, Arguments};

/// For the command line of a process, for which the kernel locks its address space. A thread of it
/// may hold that lock for as long as it likes: while a page comes from a file system of its user's.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most readings that are late at once, of one user and of all: each keeps a thread.
const MOST_OF_A_USER: usize = 4;
const MOST: usize = 64;

/// A user, by number. `None`: not known whose the file is.
type User = Option<u32>;

/// How many are late, of each user.
static LATE: Mutex<BTreeMap<User, usize>> = Mutex::new(BTreeMap::new());

fn late() -> MutexGuard<'static, BTreeMap<User, usize>> {
    LATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_room(user: User) -> bool {
    let late = late();
    let all = late.values().fold(0_usize, |sum, count| sum.saturating_add(*count));
    all < MOST && late.get(&user).is_none_or(|count| *count < MOST_OF_A_USER)
}

/// A reading that was begun.
#[derive(Debug)]
pub struct Aside<T> {
    result: Receiver<T>,
    late: Arc<Late>,
}

/// Counts in [`LATE`] from the first time that it wasn't there to its end.
#[derive(Debug)]
struct Late {
    user: User,
    counted: AtomicBool,
}

impl Late {
    fn count(&self) {
        if !self.counted.swap(true, Ordering::Relaxed) {
            let mut late = late();
            let count = late.entry(self.user).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if *self.counted.get_mut() {
            let mut late = late();
            let left = late.get(&self.user).map_or(0, |count| count.saturating_sub(1));
            match left {
                0 => late.remove(&self.user),
                left => late.insert(self.user, left),
            };
        }
    }
}

impl<T: Send + 'static> Aside<T> {
    /// Begins `read` of a file of `user` on a thread.
    ///
    /// # Errors
    /// When too many of that user are late already, or no thread can be started.
    pub fn begin(user: User, read: impl FnOnce() -> T + Send + 'static) -> Result<Self, String> {
        if !is_room(user) {
            return Err("too many files of VMs don't answer".to_owned());
        }
        let (send, result) = sync_channel(1);
        let late = Arc::new(Late { user, counted: AtomicBool::new(false) });
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

/// What `read` of a file of `user` gives within `patience`.
///
/// # Errors
/// Its own, or that it didn't come in time.
pub fn within<T: Send + 'static>(
    patience: Duration,
    user: User,
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let late = || Err(format!("no answer within {} ms", patience.as_millis()));
    Aside::begin(user, read)?.poll(patience).unwrap_or_else(late)
}

/// The arguments of a process.
///
/// # Errors
/// When it is gone, or they don't come in time.
pub fn arguments(root: &HostRoot, pid: u32) -> io::Result<Arguments> {
    arguments_of(root, pid, process::account(root, pid))
}

/// The same of one that is known to count to `user`.
///
/// # Errors
/// As [`arguments`].
pub(super) fn arguments_of(root: &HostRoot, pid: u32, user: User) -> io::Result<Arguments> {
    of_process(root, pid, user, PATIENCE, process::arguments)
}

/// [`maps::shared`] of a process that counts to `user`, waited for as long as the `patience`.
///
/// # Errors
/// Its own, or that they don't come in time.
pub fn shared_files(
    root: &HostRoot,
    pid: u32,
    user: User,
    patience: Duration,
) -> io::Result<Vec<Inode>> {
    of_process(root, pid, user, patience, maps::shared)
}

fn of_process<T: Send + 'static>(
    root: &HostRoot,
    pid: u32,
    user: User,
    patience: Duration,
    read: fn(&HostRoot, u32) -> io::Result<T>,
) -> io::Result<T> {
    let asked = root.clone();
    let read = move || read(&asked, pid).map_err(|error| error.to_string());
    within(patience, user, read).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;
    use crate::hostfs::fake::FakeHost;

    #[test]
    fn a_process_whose_address_space_is_locked_is_not_waited_for() {
        let host = FakeHost::unified();
        for file in ["proc/7/cmdline", "proc/7/maps"] {
            host.file(file, "");
            let path = host.path(file);
            std::fs::remove_file(&path).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        }
        let late = |error: io::Error| error.to_string();
        assert_eq!(arguments(&host.root(), 7).map_err(late), Err(NO_ANSWER.to_owned()));
        let files = shared_files(&host.root(), 7, None, INSTANT);
        assert_eq!(files.map_err(late), Err("no answer within 1 ms".to_owned()));
        for file in ["proc/7/cmdline", "proc/7/maps"] {
            // Lets the threads go.
            std::fs::File::options().read(true).write(true).open(host.path(file)).unwrap();
        }
    }

    const NO_ANSWER: &str = "no answer within 500 ms";
    const INSTANT: Duration = Duration::from_millis(1);

    #[test]
    fn what_hangs_is_an_error_and_holds_up_nothing() {
        let (go, gate) = channel::<()>();
        let late = within(INSTANT, Some(1), move || Ok(gate.recv().is_ok()));
        assert_eq!(late, Err("no answer within 1 ms".to_owned()));
        assert_eq!(within(Duration::from_secs(20), Some(1), || Ok(5)), Ok(5));
        drop(go);
    }

    #[test]
    fn files_of_one_user_that_hang_keep_no_others_from_being_read() {
        let hang = |user| {
            let (go, gate) = channel::<()>();
            let late = within(INSTANT, Some(user), move || Ok(gate.recv().is_ok()));
            (go, late.expect_err("it hangs"))
        };
        let hanging: Vec<_> = (0..MOST_OF_A_USER).map(|_| hang(7)).collect();
        assert_eq!(hang(7).1, "too many files of VMs don't answer");
        assert_eq!(within(Duration::from_secs(20), Some(8), || Ok(5)), Ok(5));
        drop(hanging);
        // The threads end, and with them the count.
        let deadline = Instant::now() + Duration::from_secs(20);
        while late().contains_key(&Some(7)) {
            assert!(Instant::now() < deadline, "they stay late");
            thread::yield_now();
        }
    }
}
