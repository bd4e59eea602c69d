//! Alerts: what an operator should know without looking. Rules with a duration are held
//! against each step. Pure; how an alert reads and how it is sent is not known here.

mod kills;
pub(crate) mod rules;
pub(crate) mod send;
pub(crate) mod watch;

use crate::reactor::entry::Named;
use crate::units::WallNanos;

pub use rules::{Condition, Finding, LimitUnit, Rule};
pub use send::SendConfig;
pub use watch::Watcher;

/// Something that began, or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub condition: Condition,
    pub severity: Severity,
    pub state: AlertState,
    /// When what it is about began; it is told when that has lasted.
    pub since: WallNanos,
    pub at: WallNanos,
    pub host: Option<String>,
    /// `None`: it is about the host.
    pub vm: Option<Named>,
    pub finding: Finding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
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
