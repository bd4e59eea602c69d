//! One finding of the audit: severity, consequence, and fix.

use serde::Serialize;

use super::facts::Known;
use memtrace_core::sample::VmId;

/// Severity, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A trade-off.
    Note,
    /// Could not be determined.
    Unknown,
    /// Impairs memtrace or the host.
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
    /// The check; one of [`super::NAMES`].
    pub check: &'static str,
    /// `None`: the host.
    pub vm: Option<Subject>,
    pub severity: Severity,
    pub finding: String,
    /// The consequence. Empty if unknown.
    pub consequence: String,
    /// Shell commands that fix it.
    pub commands: Vec<String>,
    /// The fix that `--fix` applies, if it is safe for a running VM.
    pub fix: Option<Fix>,
    /// Its outcome. `None`: not tried.
    pub outcome: Option<FixOutcome>,
}

/// Which VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    pub id: VmId,
    pub name: String,
    pub pid: u32,
}

/// Fixes that are safe on a live host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// Enable statistics polling.
    SwitchStatisticsOn,
}

/// What `--fix` did, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixOutcome {
    pub done: bool,
    pub text: String,
}

impl Finding {
    /// Whether it is not fixed.
    pub fn stands(&self) -> bool {
        !self.outcome.as_ref().is_some_and(|outcome| outcome.done)
    }
}

/// The result of a check: no problem, a problem, or why it is unknown.
pub type Answer = Result<Option<Found>, String>;

/// The result of a check; [`audit`] adds the VM.
pub struct Found {
    pub severity: Severity,
    pub finding: String,
    pub consequence: String,
    pub commands: Vec<String>,
    pub fix: Option<Fix>,
}

/// A fact for a check, or the reason for which it says "unknown".
pub fn known<T>(fact: &Known<T>) -> Result<&T, String> {
    fact.as_ref().map_err(Clone::clone)
}
