//! Alerts: what an operator should know without looking. Rules with a duration are held
//! against each step (pure: `rules`, `watch`); what begins and what ends is told by senders
//! that never make anybody wait (`send`).

mod kills;
pub mod rules;
pub mod send;
pub mod watch;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::sync::watch::Receiver;

use crate::actuate::journal::Named;
use crate::reactor::Step;
use crate::units::{Nanos, WallNanos};

pub use rules::{Kind, Rule};
pub use send::{SendConfig, Senders};
pub use watch::Watcher;

/// Watches, and tells: one more reader of the loop.
#[derive(Debug)]
pub struct Alerts {
    watcher: Watcher,
    senders: Senders,
}

impl Alerts {
    /// Starts the senders.
    ///
    /// # Errors
    /// When one of them can't be started.
    pub fn start(rules: Vec<Rule>, config: &SendConfig) -> Result<Self> {
        Ok(Self { watcher: Watcher::new(rules), senders: Senders::start(config)? })
    }

    /// Holds one step of the moment `at` (monotonic) against the rules. Never waits.
    pub fn look(&mut self, at: Nanos, step: &Step) {
        for alert in self.watcher.step(at, step) {
            self.senders.send(&alert);
        }
    }

    /// Looks at each step until there are no more, by these rules as they are then.
    pub async fn follow(
        mut self,
        mut steps: Receiver<Option<Arc<Step>>>,
        mut rules: Receiver<Vec<Rule>>,
    ) {
        let begun = Instant::now();
        while steps.changed().await.is_ok() {
            let step = steps.borrow_and_update().clone();
            if rules.has_changed().unwrap_or(false) {
                self.watcher.change(rules.borrow_and_update().clone());
            }
            let at = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Some(step) = step {
                self.look(Nanos(at), &step);
            }
        }
    }

    /// What the operator should know about the senders.
    pub fn problems(&self) -> Vec<String> {
        self.senders.problems()
    }
}

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
