//! Alerts: evaluation and sending, as a subscriber of the sampling loop.

pub(crate) mod send;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use memtrace_core::alert::{Rule, Watcher};
use memtrace_core::reactor::Step;
use memtrace_core::units::Nanos;
use tokio::sync::watch::Receiver;

use memtrace_core::alert::SendConfig;
use send::Senders;

/// Evaluates alert rules and sends alerts; a subscriber of the sampling loop.
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

    /// Evaluates the rules for one step at `at` (monotonic). Never blocks.
    pub fn look(&mut self, at: Nanos, step: &Step) {
        for alert in self.watcher.step(at, step) {
            self.senders.send(&alert);
        }
    }

    /// Evaluates each step with the current rules, until the loop ends.
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
}
