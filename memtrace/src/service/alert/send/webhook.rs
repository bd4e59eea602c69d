//! Alerts by HTTP POST. For other transports use a command.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Alert, SenderStatus, format};
use crate::sys::credentials::Credentials;
use crate::sys::http::{self, Limits};
use memtrace_core::alert::{AlertState, Condition};
use memtrace_core::sample::VmId;

/// Of one request. What receivers answer is not read.
const LIMITS: Limits = Limits { patience: Duration::from_secs(5), largest: 1 << 20 };
/// Before each further try; others wait in the queue meanwhile.
const WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];
/// Repeat interval of firing alerts; Alertmanager resolves them after 5 minutes without repeats.
const REPEAT: Duration = Duration::from_secs(60);

type Firing = BTreeMap<(Condition, Option<VmId>), Alert>;

#[derive(Debug)]
pub(super) struct Webhook {
    url: String,
    credentials: Option<Credentials>,
    pub(super) waits: Vec<Duration>,
    /// Firing alerts, for a receiver that needs repeats.
    firing: Option<Firing>,
}

impl Webhook {
    pub(super) fn generic(url: &str, credentials: Option<Credentials>) -> Self {
        Self { url: url.to_owned(), credentials, waits: WAITS.to_vec(), firing: None }
    }

    pub(super) fn alertmanager(url: &str, credentials: Option<Credentials>) -> Self {
        Self { firing: Some(Firing::new()), ..Self::generic(url, credentials) }
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self, alerts: &Receiver<Alert>, status: &SenderStatus) {
        let mut repeat = Instant::now() + REPEAT;
        loop {
            let left = repeat.saturating_duration_since(Instant::now());
            let body = match alerts.recv_timeout(left) {
                Ok(alert) => self.body(alert),
                Err(RecvTimeoutError::Timeout) => {
                    repeat = Instant::now() + REPEAT;
                    match &self.firing {
                        Some(firing) if !firing.is_empty() => format::alertmanager(firing.values()),
                        _ => continue,
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            status.note(self.post(&body).map_err(|error| format!("{}: {error}", self.url)));
        }
    }

    fn body(&mut self, alert: Alert) -> Value {
        let Some(firing) = &mut self.firing else { return format::json(&alert) };
        let key = (alert.condition, alert.vm.as_ref().map(|vm| vm.vm));
        let body = format::alertmanager([&alert]);
        match alert.state {
            AlertState::Firing => firing.insert(key, alert),
            AlertState::Resolved => firing.remove(&key),
        };
        body
    }

    /// Retries several times, except after a 4xx status.
    fn post(&self, body: &Value) -> Result<(), String> {
        let text = body.to_string();
        let mut waits = self.waits.iter();
        loop {
            let error = match http::post(&self.url, text.clone(), self.credentials.as_ref(), LIMITS)
            {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) if answer.status.is_client_error() => {
                    return Err(format!("HTTP {}", answer.status));
                }
                Ok(answer) => format!("HTTP {}", answer.status),
                Err(error) => format!("{error:#}"),
            };
            match waits.next() {
                Some(wait) => thread::sleep(*wait),
                None => return Err(error),
            }
        }
    }
}
