//! The lines of the journal. Fields may be added; what changes its meaning counts the
//! version up.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::JournalError;
use crate::journal::state::HeaderState;
use memtrace_core::order::Failure;
use memtrace_core::reactor::entry::{Begun, Noted};
use memtrace_core::sample::VmId;
use memtrace_core::units::WallNanos;

pub(super) const VERSION: u32 = 2;

/// The first line of each file: all that matters from before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) memtrace_journal: u32,
    pub(super) at: WallNanos,
    #[serde(flatten)]
    pub(super) state: HeaderState,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum JournalEntry {
    Header(Header),
    Start {
        at: WallNanos,
        pid: u32,
        memtrace: String,
    },
    Stop {
        at: WallNanos,
    },
    Order(Begun),
    End {
        at: WallNanos,
        id: u64,
        /// `None`: it was done.
        error: Option<Failure>,
    },
    Noted(Noted),
    Changed(Changed),
    Forget {
        at: WallNanos,
        vm: VmId,
    },
}

/// The next note, as its changes (`change`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Changed {
    pub(super) at: WallNanos,
    /// When the note was made that it changes.
    pub(super) after: WallNanos,
    pub(super) change: Value,
}

impl JournalEntry {
    pub(super) fn start(at: WallNanos) -> Self {
        Self::Start { at, pid: std::process::id(), memtrace: env!("CARGO_PKG_VERSION").to_owned() }
    }

    pub(super) const fn at(&self) -> WallNanos {
        match self {
            Self::Header(header) => header.at,
            Self::Order(begun) => begun.at,
            Self::Noted(noted) => noted.at,
            Self::Changed(changed) => changed.at,
            Self::Start { at, .. }
            | Self::Stop { at }
            | Self::End { at, .. }
            | Self::Forget { at, .. } => *at,
        }
    }

    /// As one line.
    pub(super) fn write_to(&self, text: &mut Vec<u8>) -> Result<(), JournalError> {
        serde_json::to_writer(&mut *text, self)
            .map_err(|error| JournalError::io("cannot encode for the journal")(error.into()))?;
        text.push(b'\n');
        Ok(())
    }
}
