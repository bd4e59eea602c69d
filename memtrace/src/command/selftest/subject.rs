//! Whose numbers the self-test compares, and which.

use std::fmt;

use memtrace_core::accuracy::table;
use memtrace_core::signal::Signal;
use serde::{Deserialize, Serialize};

/// The processes of the trial, and the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The guest that is limited.
    Guest,
    /// The one that is left alone.
    Bystander,
    Host,
}

/// What is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// memory.stat's, which no signal has.
    Refaults,
    #[serde(untagged)]
    Signal(Signal),
}

pub type Row = table::Row<Subject, Checked>;
pub type Skipped = table::Skipped<Subject, Checked>;
pub type Table = table::Table<Subject, Checked>;

/// As in JSON (`swap_in`).
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guest => "guest",
            Self::Bystander => "bystander",
            Self::Host => "host",
        })
    }
}
