//! A directory of recordings, bounded in size: a file for some time, the oldest ones go. One
//! recorder at a time, by a lock that the kernel takes away with the process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::write::Writer;
use super::{EXTENSION, Record, folder};
use crate::regular;
use memtrace_core::units::{Bytes, Nanos, WallNanos};

const LOCK: &str = "lock";
/// Files that begin within the same second.
const SAME_SECOND: u32 = 100;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Limit on the time in one file.
    pub time: Nanos,
    /// All files together; the oldest go first.
    pub total: Bytes,
}

impl Default for Limits {
    /// Files of an hour, and a gigabyte: weeks of 100 VMs.
    fn default() -> Self {
        Self { time: Nanos(3600 * Nanos::SECOND.0), total: Bytes(1 << 30) }
    }
}

#[derive(Debug)]
pub struct Recorder {
    directory: PathBuf,
    limits: Limits,
    current: Option<Current>,
    /// Bytes of files that are closed.
    closed: u64,
    _lock: File,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    writer: Writer,
    begun: Nanos,
}

impl Recorder {
    /// Takes the directory, which is made if need be, readable by its owner alone. One of another
    /// user, or that everybody may write to, is refused.
    ///
    /// # Errors
    /// When another recorder has it, or it can't be used.
    pub fn open(directory: &Path, limits: Limits) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if let Some(why) = regular::why_foreign(directory)? {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let path = directory.join(LOCK);
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let lock = regular::open_own(&path, &mut options)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("another memtrace records there (it holds {})", path.display()),
            ),
            TryLockError::Error(error) => error,
        })?;
        let directory = directory.to_owned();
        Ok(Self { directory, limits, current: None, closed: 0, _lock: lock })
    }

    /// Adds a moment.
    ///
    /// # Errors
    /// When it can't be written: what was written before can be read, and nothing more
    /// should be added.
    pub fn push(&mut self, moment: Record) -> io::Result<()> {
        let (at, wall) = (moment.sample.at, moment.sample.wall);
        // So that there is something left when the oldest goes.
        let most = self.limits.total.0 / 8;
        let is_full = |current: &Current| {
            at.saturating_sub(current.begun) >= self.limits.time || current.writer.length() >= most
        };
        if self.current.as_ref().is_some_and(is_full) {
            self.end()?;
        }
        if self.current.is_none() {
            self.prune()?;
            let (path, writer) = create(&self.directory, wall)?;
            self.current = Some(Current { path, writer, begun: at });
        }
        match &mut self.current {
            Some(current) => current.writer.push(moment),
            None => Ok(()),
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file that is written, and how many bytes there are in all.
    pub fn state(&self) -> (Option<&Path>, Bytes) {
        let current = self.current.as_ref();
        let length = current.map_or(0, |current| current.writer.length());
        (current.map(|current| &*current.path), Bytes(self.closed + length))
    }

    /// Free space on the disk, for users other than root.
    ///
    /// # Errors
    /// When the directory is gone.
    pub fn room(&self) -> io::Result<Bytes> {
        let disk = rustix::fs::statvfs(&self.directory)?;
        Ok(Bytes(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    /// Ends the file in order. How many bytes there are in all.
    ///
    /// # Errors
    /// When the rest can't be written.
    pub fn close(mut self) -> io::Result<Bytes> {
        self.end()?;
        let mut sum = 0_u64;
        for path in folder::files(&self.directory)? {
            sum = sum.saturating_add(fs::symlink_metadata(&path)?.len());
        }
        Ok(Bytes(sum))
    }

    fn end(&mut self) -> io::Result<()> {
        match self.current.take() {
            Some(current) => current.writer.close().map(drop),
            None => Ok(()),
        }
    }

    /// Makes room for another file.
    fn prune(&mut self) -> io::Result<()> {
        let mut files = Vec::new();
        for path in folder::files(&self.directory)? {
            let length = fs::symlink_metadata(&path)?.len();
            files.push((path, length));
        }
        let mut sum: u64 = files.iter().map(|(_, length)| length).sum();
        let most = self.limits.total.0 - self.limits.total.0 / 8;
        for (path, length) in files {
            if sum <= most {
                break;
            }
            fs::remove_file(&path)?;
            sum = sum.saturating_sub(length);
        }
        self.closed = sum;
        Ok(())
    }
}

/// A file that is named after the moment, in UTC.
fn create(directory: &Path, wall: WallNanos) -> io::Result<(PathBuf, Writer)> {
    let moment = Timestamp::from_nanosecond(i128::from(wall.0)).map_err(io::Error::other)?;
    let name = moment.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    for again in 0..SAME_SECOND {
        let suffix = if again == 0 { String::new() } else { format!("-{again:02}") };
        let path = directory.join(format!("{name}{suffix}.{EXTENSION}"));
        match Writer::create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|writer| (path, writer)),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of one second"))
}
