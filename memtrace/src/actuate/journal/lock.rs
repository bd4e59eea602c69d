//! One memtrace acts on a host: flock(2) on a file, which holds the process id for whoever
//! finds it locked. The kernel unlocks it when the process ends, however it ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::JournalError;

const NAME: &str = "lock";

#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(NAME);
        let failed = |error| JournalError::io(path.display().to_string())(error);
        // The file is not removed in the end: whoever waits to lock it would lock nothing.
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(JournalError::Locked { holder: holder(&file), lock: path });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // On a full disk the lock holds without a name on it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
