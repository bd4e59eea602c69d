//! Sends alerts to the log, a command, and webhooks. Each receiver has its own thread and bounded
//! queue; a hanging one loses alerts, which are counted, and delays nothing.

mod format;
#[cfg(test)]
mod tests;
mod webhook;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};
use memtrace_core::alert::SendConfig;
use tracing::{error, info, warn};

use self::webhook::Webhook;
use crate::sys::credentials::Credentials;
use crate::sys::exit::Misconfigured;
use memtrace_core::alert::{Alert, AlertState, Severity};
use memtrace_host::line_sink::LineSink;
use memtrace_view::words;

/// Maximum number of queued alerts per sender.
const QUEUE: usize = 256;

/// All receivers.
#[derive(Debug, Default)]
pub struct Senders {
    log: bool,
    outboxes: Vec<Outbox>,
}

#[derive(Debug)]
struct Outbox {
    name: &'static str,
    queue: SyncSender<Alert>,
    status: Arc<SenderStatus>,
}

/// The status of one sender.
#[derive(Debug, Default)]
struct SenderStatus {
    lost: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// Starting again helps only where it isn't the command that is missing.
fn cannot_start(command: &[String], error: &io::Error) -> anyhow::Error {
    let text = format!("alert.command: cannot start {}: {error}", command.join(" "));
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Misconfigured(text).into(),
        _ => anyhow!(text),
    }
}

impl Senders {
    /// Starts all of them.
    ///
    /// # Errors
    /// [`Misconfigured`], where there is no such command. When it can't be started otherwise, or a
    /// thread.
    pub fn start(config: &SendConfig) -> Result<Self> {
        let mut senders = Self { log: config.log, outboxes: Vec::new() };
        if !config.command.is_empty() {
            let mut sink = LineSink::start(&config.command)
                .map_err(|error| cannot_start(&config.command, &error))?;
            senders.add("command", move |queue, status| {
                for alert in queue {
                    status.note(sink.tell(&format::json(&alert).to_string()));
                }
            })?;
        }
        let credentials =
            Credentials::of(config.bearer_token_file.as_deref(), config.basic_auth_file.as_deref());
        if let Some(url) = &config.webhook {
            let webhook = Webhook::generic(url, credentials.clone());
            senders.add("webhook", move |queue, status| webhook.run(&queue, &status))?;
        }
        if let Some(url) = &config.alertmanager {
            let webhook = Webhook::alertmanager(url, credentials);
            senders.add("alertmanager", move |queue, status| webhook.run(&queue, &status))?;
        }
        Ok(senders)
    }

    /// Sends to all receivers. Never blocks.
    pub fn send(&self, alert: &Alert) {
        if self.log {
            log(alert);
        }
        for outbox in &self.outboxes {
            if outbox.queue.try_send(alert.clone()).is_err() {
                outbox.status.lost.fetch_add(1, Ordering::Relaxed);
                warn!("an alert for {} is lost: it is still sending earlier ones", outbox.name);
            }
        }
    }

    fn add(
        &mut self,
        name: &'static str,
        run: impl FnOnce(Receiver<Alert>, Arc<SenderStatus>) + Send + 'static,
    ) -> Result<()> {
        let (queue, alerts) = sync_channel(QUEUE);
        let status = Arc::new(SenderStatus::default());
        let shared = Arc::clone(&status);
        thread::Builder::new()
            .name(format!("alert-{name}"))
            .spawn(move || run(alerts, shared))
            .with_context(|| format!("cannot start the thread for alerts by {name}"))?;
        self.outboxes.push(Outbox { name, queue, status });
        Ok(())
    }
}

impl SenderStatus {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of the last alert.
    fn note(&self, result: Result<(), String>) {
        if let Err(problem) = &result {
            self.lost.fetch_add(1, Ordering::Relaxed);
            warn!("cannot send an alert: {problem}");
        }
        *self.lock() = result.err();
    }
}

fn log(alert: &Alert) {
    let (rule, text) = (alert.condition.name(), words::alert(alert));
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => info!("resolved: {rule}: {text}"),
        (AlertState::Firing, Severity::Warning) => warn!("alert: {rule}: {text}"),
        (AlertState::Firing, Severity::Critical) => error!("alert: {rule}: {text}"),
    }
}
