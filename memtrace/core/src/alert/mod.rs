//! Alerts: what an operator should know without looking. Rules with a duration are held
//! against each step. Pure; how an alert is sent is not known here.

mod kills;
pub mod rules;
pub mod send;
pub mod watch;

use serde::{Deserialize, Serialize};

use crate::reactor::entry::Named;
use crate::units::WallNanos;

pub use rules::{Kind, Rule};
pub use send::SendConfig;
pub use watch::Watcher;

/// Something that began, or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// `vm_stalled`, ...
    pub rule: String,
    pub severity: Severity,
    pub state: State,
    /// When what it is about began; it is told when that has lasted.
    pub since: WallNanos,
    pub at: WallNanos,
    pub host: Option<String>,
    /// `None`: it is about the host.
    pub vm: Option<Named>,
    /// A sentence with the numbers.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Firing,
    Resolved,
}

impl Severity {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
