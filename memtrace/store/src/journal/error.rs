//! Why the journal can't be had, or written.

use std::io;
use std::path::PathBuf;

#[derive(Debug)]
pub enum JournalError {
    /// Another memtrace has it.
    Locked {
        lock: PathBuf,
        holder: Option<u32>,
    },
    /// Written by a memtrace that this one does not understand.
    Newer {
        file: PathBuf,
        version: u64,
    },
    /// A number that no journal reaches: there would be none after it.
    Absurd {
        file: PathBuf,
        number: u64,
    },
    /// Other users could write to it.
    Foreign {
        directory: PathBuf,
        why: String,
    },
    Io {
        what: String,
        error: io::Error,
    },
}

impl JournalError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Locked { lock, holder } => {
                let who = holder.map_or_else(|| "it".to_owned(), |pid| format!("process {pid}"));
                let lock = lock.display();
                write!(f, "another memtrace is running: {who} holds {lock}")
            }
            Self::Newer { file, version } => write!(
                f,
                "{} is a journal of version {version}, from a newer memtrace; what it has in \
                 flight is not known to this one",
                file.display()
            ),
            Self::Absurd { file, number } => write!(
                f,
                "{} has the number {number}, which no journal reaches: it is damaged or not \
                 memtrace's; move it away",
                file.display()
            ),
            Self::Foreign { directory, why } => {
                write!(f, "{} can't be the directory of the journal: {why}", directory.display())
            }
            Self::Io { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is part of ours.
            Self::Locked { .. }
            | Self::Newer { .. }
            | Self::Absurd { .. }
            | Self::Foreign { .. }
            | Self::Io { .. } => None,
        }
    }
}
