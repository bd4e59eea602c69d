//! The recording: raw samples with the decisions and their outcomes, so that the views of live
//! data can show it later with the same code.
//!
//! A file is a sequence of zstd frames (RFC 8878), so that `zstd -t` understands it: a
//! skippable one with the version, then a skippable one with what follows ([`frame::Head`])
//! and a data frame for some seconds each, and in the end an index. A moment is JSON, each path of
//! which is a column ([`tree`]); a data frame has the columns that change, as the moments in which
//! they do and the differences from moment to moment ([`streams`]). Every few minutes there is a
//! keyframe, which can be read without those before it.
//!
//! The same frames make a stream ([`stream`]), for readers in other processes.
//!
//! Input is untrusted: every length is bounded before it is used.

mod background;
mod decoder;
mod encoder;
mod folder;
mod frame;
mod read;
mod recorder;
mod stream;
mod streams;
mod tree;
mod write;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use memtrace_core::format::several;
use memtrace_core::reactor::Reaction;
use memtrace_core::sample::Sample;

pub use background::BackgroundRecorder;
pub use folder::Recording;
pub use read::{ReadError, Reader};
pub use recorder::{Limits, Recorder};
pub use stream::{Incoming, Origin, Outgoing, greeting};
pub use write::Writer;

/// The format of the files that are written.
pub const VERSION: u32 = 4;
/// The oldest format that is read. Those before it were never released, and are refused.
pub const OLDEST: u32 = 3;
/// Where they are, unless the operator says otherwise.
pub const DIRECTORY: &str = "/var/lib/memtrace/recordings";
/// Extension of a recording's files.
pub(crate) const EXTENSION: &str = "mtrec";

/// What is recorded of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub sample: Sample,
    /// The reaction, where memtrace decided. With the outcomes of earlier decisions.
    pub reaction: Option<Reaction>,
}

/// A part of a recording that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub file: PathBuf,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    pub bytes: u64,
    /// How many samples were there. `None`: unknown, as the index can't be read either.
    pub samples: Option<u64>,
    pub because: String,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, offset, bytes, samples, because } = self;
        write!(f, "{}: {because}", file.display())?;
        let size = several(*bytes, "byte");
        match samples {
            // A part lies behind the file's first bytes.
            _ if *offset == 0 => write!(f, "; the file is skipped"),
            _ if *bytes == 0 => write!(f, "; at most the last 10 s are missing"),
            Some(0) => write!(f, " at byte {offset}; no samples lost"),
            Some(samples) => {
                write!(f, " at byte {offset}; {} lost ({size})", several(*samples, "sample"))
            }
            None => write!(f, " at byte {offset}; {size} lost, number of samples unknown"),
        }
    }
}
