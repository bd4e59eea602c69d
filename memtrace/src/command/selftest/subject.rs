//! Whose numbers the self-test compares.

use std::fmt;

use memtrace_core::accuracy::table;
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

pub type Row = table::Row<Subject>;
pub type Skipped = table::Skipped<Subject>;
pub type Table = table::Table<Subject>;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guest => "guest",
            Self::Bystander => "bystander",
            Self::Host => "host",
        })
    }
}
