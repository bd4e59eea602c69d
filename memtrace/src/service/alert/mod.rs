//! Alerts: evaluation and sending, as a subscriber of the sampling loop.

pub(crate) mod send;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use memtrace_core::alert::{Alert, Rule, Watcher};
use memtrace_core::reactor::Step;
use memtrace_core::units::Nanos;
use tokio::sync::watch::{Receiver, Sender};

use memtrace_core::alert::SendConfig;
use send::Senders;

/// Evaluates alert rules and sends alerts; a subscriber of the sampling loop.
#[derive(Debug)]
pub struct Alerts {
    watcher: Watcher,
    senders: Senders,
    firing: Sender<Vec<Alert>>,
}

impl Alerts {
    /// Starts the senders.
    ///
    /// # Errors
    /// When one of them can't be started.
    pub fn start(rules: Vec<Rule>, config: &SendConfig) -> Result<Self> {
        let (watcher, firing) = (Watcher::new(rules), Sender::new(Vec::new()));
        Ok(Self { watcher, senders: Senders::start(config)?, firing })
    }

    /// The alerts that are firing, as of the newest step.
    pub fn firing(&self) -> Receiver<Vec<Alert>> {
        self.firing.subscribe()
    }

    /// Evaluates the rules for one step at `at` (monotonic). Never blocks.
    pub fn look(&mut self, at: Nanos, step: &Step) {
        let changes = self.watcher.step(at, step);
        for alert in &changes {
            self.senders.send(alert);
        }
        if !changes.is_empty() {
            self.firing.send_replace(self.watcher.firing().cloned().collect());
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
