//! One thing that the audit found: how bad, what it leads to, and what mends it.

use serde::Serialize;

use memtrace_core::sample::VmId;

/// From what is merely good to know to what ends a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A choice that has a price.
    Note,
    /// It couldn't be told; may be anything.
    Unknown,
    /// memtrace or the host works worse for it.
    Warning,
    /// Under pressure a VM is killed for it.
    Critical,
}

impl Severity {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at; one of [`super::NAMES`].
    pub check: &'static str,
    /// `None`: the host.
    pub vm: Option<Subject>,
    pub severity: Severity,
    pub finding: String,
    /// What it leads to. Empty of what isn't known.
    pub consequence: String,
    /// For a shell.
    pub commands: Vec<String>,
    /// What `--fix` does about it, as it is safe for a VM that runs.
    pub fix: Option<Fix>,
    /// What became of that. `None`: not tried.
    pub outcome: Option<Outcome>,
}

/// Which VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    pub id: VmId,
    pub name: String,
    pub pid: u32,
}

/// What is safe on a live host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// Have the guest asked for statistics.
    SwitchStatisticsOn,
}

/// What `--fix` did, or why it didn't.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub done: bool,
    pub text: String,
}

impl Finding {
    /// Whether it still stands.
    pub fn stands(&self) -> bool {
        !self.outcome.as_ref().is_some_and(|outcome| outcome.done)
    }
}
