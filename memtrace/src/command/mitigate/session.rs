//! The main loop: output, signals, and shutdown.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use super::print::{self, Printer};
use super::reload::Running;
use crate::config::Config;
use crate::service::manager::Service;
use crate::service::sampling::Handle;
use crate::sys::output;
use memtrace_core::format::several;
use memtrace_core::reactor::{Owed, Step};
use memtrace_core::text;
use memtrace_view::summary;

/// Time limit of giving memory back. Balloons need seconds; the unit file allows more.
const GIVING_BACK: Duration = Duration::from_secs(30);
/// Interval of checks of deflating balloons.
const PACE: Duration = Duration::from_secs(1);

pub(super) struct Session {
    pub(super) handle: Handle,
    pub(super) running: Running,
    pub(super) printer: Printer,
    pub(super) service: Service,
    /// SIGHUP: reload the configuration.
    pub(super) hangup: Signal,
}

impl Session {
    /// Runs until a signal, or for this many steps.
    ///
    /// # Errors
    /// When the host can't be sampled any more, or the output can't be written.
    pub(super) async fn run(&mut self, count: Option<u64>) -> Result<()> {
        let mut signals = Signals::listen()?;
        self.service.ready(self.running.interval());
        let mut left = count;
        let mut read = None;
        let mut again = false;
        while left != Some(0) {
            tokio::select! {
                step = next(&mut self.handle) => {
                    self.show(&*step?)?;
                    self.running.hold_the_lock();
                    left = left.map(|left| left.saturating_sub(1));
                }
                () = signals.end() => break,
                _ = self.hangup.recv() => again |= self.reload(&mut read),
                config = loaded(&mut read) => {
                    self.running.apply(config, &self.handle.control);
                    // The files may have changed after they were read.
                    read = std::mem::take(&mut again).then(|| self.running.read());
                    if read.is_none() {
                        self.service.ready(self.running.interval());
                    }
                }
            }
        }
        self.service.stopping();
        if self.running.gives_back() { self.give_back(&mut signals).await } else { Ok(()) }
    }

    fn show(&mut self, step: &Step) -> Result<()> {
        self.service.progress(|| status(step));
        output::print(&self.printer.text(step)?)
    }

    /// Begins to read the configuration. Returns whether it has to be read again after that.
    fn reload(&self, read: &mut Option<Reading>) -> bool {
        if read.is_some() {
            tracing::warn!("the configuration is still being read, and will be read again");
            return true;
        }
        self.service.reloading();
        *read = Some(self.running.read());
        false
    }

    /// Gives back until nothing more can be, the time limit, or another signal.
    async fn give_back(&mut self, signals: &mut Signals) -> Result<()> {
        self.handle.control.send_modify(|control| control.interval = control.interval.min(PACE));
        self.running.remote.give_back();
        let deadline = Instant::now() + GIVING_BACK;
        let mut owed: Option<Vec<Owed>> = None;
        let why = loop {
            tokio::select! {
                step = timeout_at(deadline, next(&mut self.handle)) => {
                    let Ok(step) = step else { break "time limit reached" };
                    let step = step?;
                    self.show(&step)?;
                    owed = step.reaction.farewell.clone().or(owed);
                    if owed.as_ref().is_some_and(|owed| !owed.iter().any(|owed| owed.waits)) {
                        break "no further progress possible";
                    }
                }
                () = signals.end() => break "interrupted",
            }
        };
        match owed {
            None => tracing::warn!("no memory given back: {why}"),
            Some(owed) if owed.is_empty() => {}
            Some(owed) => tracing::warn!("not given back: {} ({why})", print::owed(&owed)),
        }
        Ok(())
    }
}

/// The status in one line.
fn status(step: &Step) -> String {
    let reaction = &step.reaction;
    if let Some(owed) = &reaction.farewell {
        return format!("giving back: {} to go", several(owed.len() as u64, "VM"));
    }
    let state = summary::state(reaction.decisions.state);
    let mode = reaction.mode.word();
    let vms = several(step.snapshot.vms.len() as u64, "VM");
    let mut status = format!("{mode}: host state {state}, {vms}");
    if let Some(problem) = &reaction.problem {
        status.push_str("; can't act: ");
        status.push_str(&text::clean(problem));
    }
    status
}

/// A configuration that is being read.
type Reading = oneshot::Receiver<Result<Config>>;

/// What was read, if anything is.
async fn loaded(read: &mut Option<Reading>) -> Result<Result<Config>, RecvError> {
    match read {
        Some(read) => read.await,
        None => pending().await,
    }
}

/// The next step.
async fn next(handle: &mut Handle) -> Result<Arc<Step>> {
    loop {
        // The end of the loop comes by the other channel.
        if handle.step.changed().await.is_err() {
            handle.failure()?;
        }
        if let Some(step) = handle.step.borrow_and_update().clone() {
            return Ok(step);
        }
    }
}

pub(super) fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot listen for signals")
}

/// Those that end a run.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::{Arguments, Command};

    const UNIT: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/systemd/memtrace.service"));

    fn value(key: &str) -> &str {
        UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).expect(key)
    }

    #[test]
    fn the_unit_starts_what_there_is_and_waits_for_its_end() {
        let typed = value("ExecStart").split_whitespace();
        let arguments = Arguments::try_parse_from(typed).expect("it can be typed");
        let Some(Command::Mitigate(arguments)) = arguments.command else { panic!("mitigate") };
        assert_eq!(arguments.config, None, "the default path, which may have no file");
        assert!(!arguments.enforce, "only the configuration lets it act");
        let seconds = value("TimeoutStopSec").trim_end_matches('s').parse().expect("seconds");
        assert!(GIVING_BACK + crate::command::mitigate::PATIENCE < Duration::from_secs(seconds));
        let directory = format!("/var/lib/{}", value("StateDirectory"));
        assert_eq!(directory, memtrace_store::journal::DIRECTORY);
    }
}
