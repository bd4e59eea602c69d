//! A lock that one process holds: flock(2) on a file, which has the holder's process id. The
//! kernel releases it when the process ends, however it ends. One for each journal, one for each
//! host that memtrace acts on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::JournalError;
use crate::regular;

/// Name of the lock file in a journal's directory.
pub(super) const NAME: &str = "lock";
/// Limit on what is read of /proc/locks, which has a line for each lock of the host.
const TABLE: u64 = 8 << 20;
/// Reads of /proc/locks that have to agree that there is no lock.
const READS: usize = 8;

/// A lock that this process holds until the value is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock on the file at `path`, and makes the file if there is none.
    ///
    /// # Errors
    /// [`JournalError::Locked`] while another process has it; when there can be no such file.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        let failed = |error| JournalError::io(path.display().to_string())(error);
        // The file is not removed at the end: a process that has just opened it would then lock
        // a file that no other can find.
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = regular::open_own(path, &mut options).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(JournalError::Locked { holder: holder(&file), lock: path.to_owned() });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // On a full disk the process id is missing; the lock holds all the same.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }

    /// Whether the file at `path` is still this one. Where it isn't, another process may have
    /// locked the one that is there.
    pub fn is_at(&self, path: &Path) -> bool {
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let own = self.file.metadata().map(id);
        std::fs::symlink_metadata(path).is_ok_and(|there| own.is_ok_and(|own| own == id(there)))
    }
}

/// The text of /proc/locks, which lies at `path`; bounded.
///
/// # Errors
/// When it cannot be opened or read.
fn table(path: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(TABLE).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    None,
    /// With its process id, if the lock file has it.
    Process(Option<u32>),
}

/// The process that holds the lock on the file `path`. `locks`: /proc/locks, which is read a page
/// at a time and continued by count, so a lock released meanwhile hides another one from the
/// reader. Hence "not held" is believed only after repeated readings.
///
/// # Errors
/// When the lock cannot be checked.
pub fn holder_of(path: &Path, locks: &Path) -> Result<Holder, JournalError> {
    for _ in 0..READS {
        let table = table(locks).map_err(JournalError::io(locks.display().to_string()))?;
        let holder = look(path, &table)?;
        if holder != Holder::None {
            return Ok(holder);
        }
    }
    Ok(Holder::None)
}

/// Looks at the lock without taking it, so that a process that takes it meanwhile is not refused.
/// `locks` is the text of /proc/locks.
///
/// # Errors
/// When there is a lock file that cannot be read.
pub(super) fn look(path: &Path, locks: &str) -> Result<Holder, JournalError> {
    let failed = |error| JournalError::io(path.display().to_string())(error);
    let file = match regular::open_own(path, File::options().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::None),
        Err(error) => return Err(failed(error)),
    };
    let inode = file.metadata().map_err(failed)?.ino();
    let named = holder(&file);
    Ok(if is_locked(locks, inode, named) { Holder::Process(named) } else { Holder::None })
}

/// Whether /proc/locks (proc_locks(5)) has a flock of this file: `1: FLOCK ADVISORY WRITE 708
/// 00:13:16798 0 EOF`. The device number there is the superblock's, which stat(2) does not give
/// on btrfs and overlayfs; so the holder's process id from the file is compared instead.
fn is_locked(locks: &str, inode: u64, holder: Option<u32>) -> bool {
    locks.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let kind = [fields.next(), fields.next(), fields.next()];
        let pid = fields.next().and_then(|pid| pid.parse().ok());
        let of = fields.next().and_then(|file| file.rsplit(':').next()?.parse().ok());
        kind == [Some("FLOCK"), Some("ADVISORY"), Some("WRITE")]
            && of == Some(inode)
            && (holder.is_none() || pid == holder)
    })
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "1: FLOCK  ADVISORY  WRITE 708 fe:00:4711 0 EOF\n\
        1: -> FLOCK  ADVISORY  WRITE 709 fe:00:4711 0 EOF\n\
        2: OFDLCK ADVISORY  READ -1 fe:00:5464323 201 201\n\
        3: POSIX  ADVISORY  WRITE 710 fe:00:99 0 EOF\n";

    #[test]
    fn a_lock_is_identified_by_inode_and_holder() {
        for (inode, holder, locked) in [
            (4711, Some(708), true),
            (4711, None, true),
            // A waiter (`->`), and the same inode number on another file system.
            (4711, Some(709), false),
            (4711, Some(1), false),
            (99, Some(710), false),
            (5_464_323, None, false),
        ] {
            assert_eq!(is_locked(LOCKS, inode, holder), locked, "{inode} {holder:?}");
        }
        assert!(!is_locked("", 4711, None));
    }

    #[test]
    fn looking_at_a_lock_neither_makes_nor_takes_it() {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let locks = || std::fs::read_to_string("/proc/locks").expect("there is /proc/locks");
        let look = || look(&directory.path().join(NAME), &locks()).expect("it can be looked at");
        assert_eq!(look(), Holder::None);
        assert!(!directory.path().join(NAME).exists());
        let path = directory.path().join(NAME);
        let lock = Lock::take(&path).expect("it is free");
        assert_eq!(look(), Holder::Process(Some(std::process::id())));
        drop(lock);
        assert_eq!(look(), Holder::None);
        Lock::take(&path).expect("it is still free");
    }
}
