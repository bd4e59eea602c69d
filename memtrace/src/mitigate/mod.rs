//! `memtrace mitigate`: from what was typed to a running reactor.

pub mod explain;
mod moment;
mod print;
mod senses;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::actuate::Actuator;
use crate::actuate::host::HostActuator;
use crate::actuate::journal::{Journal, Recovered};
use crate::alert::Alerts;
use crate::cli::{MitigateArguments, Verbosity};
use crate::config::{self, Config};
use crate::daemon::{self, Control, Handle, Latest};
use crate::hostfs::HostRoot;
use crate::output;
use crate::policy::{Memtrace, Policy, Rules};
use crate::privileges;
use crate::reactor::{Mode, Reactor};
use crate::source::Source;
use crate::source::live::LiveSource;
use print::Printer;

/// Longest that the end waits for a source that is busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until Ctrl-C, SIGTERM, or enough intervals.
///
/// # Errors
/// [`privileges::Denied`] without privileges; when another memtrace mitigates here, the
/// journal can't be used, the host cannot be sampled, or the output cannot be written.
pub fn run(arguments: &MitigateArguments, verbosity: Verbosity) -> Result<()> {
    let config = configuration(arguments.config.as_deref())?;
    let root = HostRoot::live().context("cannot read /proc; is it mounted?")?;
    privileges::require(&root)?;
    let directory = arguments.state_dir.as_ref().unwrap_or(&config.journal.directory);
    let (journal, recovered) = Journal::open(directory, config.journal.limits)?;
    tell(&recovered);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let libvirt = config.libvirt && !arguments.no_libvirt;
    let mut source = LiveSource::open(root.clone(), verbosity, libvirt);
    let acts = arguments.enforce || config.mode == Mode::Enforce;
    let hands = acts.then(|| {
        let hands = HostActuator::new(root, source.hypervisors());
        Box::new(hands) as Box<dyn Actuator + Send>
    });
    let policy = policy(&mut source, &config)?;
    let reactor = Reactor::new(policy, (Box::new(journal), recovered.in_flight), hands);
    let interval = arguments.interval.unwrap_or(Duration::from_nanos(config.interval.0));
    let control = Control { interval, detail: None, stop: false };
    let alerts = Alerts::start(config.alert.rules(), &config.alert.send)?;
    let handle = daemon::spawn_with(Box::new(source), Some(reactor), control);
    runtime.block_on(async {
        tokio::spawn(alerts.follow(handle.step.clone()));
        let result = until_interrupted(print_all(handle.clone(), arguments)).await;
        handle.stop(PATIENCE).await;
        result
    })
}

/// What the configuration says; the defaults where there is none.
fn configuration(file: Option<&Path>) -> Result<Config> {
    let path = file.unwrap_or(Path::new(config::FILE));
    let loaded = Config::load(path, file.is_some()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the configuration can't be used:\n{}", problems.join("\n"))
    })?;
    let config = loaded.config;
    ensure!(!config.give_back, "give_back isn't there yet: balloons stay as they are");
    ensure!(config.scope.is_none(), "scope.cgroup isn't there yet: the scope is the host");
    Ok(config)
}

/// The policy for what this host can measure, as its first sample shows.
fn policy(source: &mut LiveSource, config: &Config) -> Result<Box<dyn Policy + Send>> {
    let senses = senses::of(&source.sample(None)?);
    let rules = Rules { senses, ..config.rules.clone() };
    Ok(Box::new(Memtrace::new(rules)))
}

/// What the last run left.
fn tell(recovered: &Recovered) {
    for notice in &recovered.notices {
        tracing::warn!("journal: {notice}");
    }
    if !recovered.clean {
        tracing::warn!("the last run did not end in order");
    }
    for begun in &recovered.in_flight {
        let name = &begun.order.name;
        tracing::warn!("in flight then: {name}: {}", print::action(begun.order.action));
    }
    for held in &recovered.holdings {
        tracing::info!("taken from {} by an earlier run and not given back", held.name);
    }
}

/// Prints what the reactor says, until there was enough of it.
async fn print_all(mut handle: Handle, arguments: &MitigateArguments) -> Result<()> {
    let mut printer = Printer::new(arguments.json);
    let mut left = arguments.count;
    while left != Some(0) {
        // The end of the loop is told by the other channel.
        if handle.step.changed().await.is_err() {
            return failure(&handle);
        }
        let step = handle.step.borrow_and_update().clone();
        if let Some(step) = step {
            output::print(&printer.text(&step)?)?;
            left = left.map(|left| left.saturating_sub(1));
        }
    }
    Ok(())
}

fn failure(handle: &Handle) -> Result<()> {
    match &*handle.latest.borrow() {
        Latest::Failed(text) => bail!("{text}"),
        Latest::Starting | Latest::Snapshot(_) => bail!("sampling ended without a word"),
    }
}

async fn until_interrupted(work: impl Future<Output = Result<()>>) -> Result<()> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
