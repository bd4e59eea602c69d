//! `memtrace mitigate`: from what was typed to a running reactor.

pub mod explain;
mod keep;
mod moment;
mod print;
mod reload;
mod senses;
mod service;
mod session;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

use crate::actuate::hook::HookCommand;
use crate::actuate::host::HostActuator;
use crate::actuate::journal::{Journal, Recovered};
use crate::alert::Alerts;
use crate::cli::{MitigateArguments, Verbosity};
use crate::config::{self, Config, RecordConfig};
use crate::daemon::{self, Control};
use crate::feed::Feed;
use crate::hostfs::HostRoot;
use crate::metrics::{self, Listener};
use crate::policy::{Memtrace, Policy, Rules};
use crate::privileges;
use crate::reactor::{Ledger, Reactor, taken};
use crate::record::{Recorder, Scribe};
use crate::sample::Sample;
use crate::source::Source;
use crate::source::live::LiveSource;
use print::Printer;
use reload::Running;
use service::Service;
use session::Session;

/// Longest that the end waits for a source that is busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until Ctrl-C, SIGTERM, or enough intervals.
///
/// # Errors
/// [`privileges::Denied`] without privileges; when another memtrace mitigates here, the
/// journal can't be used, somebody else has the address for scrapers, the host cannot be
/// sampled, or the output cannot be written.
pub fn run(arguments: &MitigateArguments, verbosity: Verbosity) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    // Before all that takes time: until somebody listens, SIGHUP ends a process. One that
    // comes from now on has the configuration read again once memtrace runs.
    let hangup = {
        let _runtime = runtime.enter();
        session::listen(SignalKind::hangup())?
    };
    let config = configuration(arguments.config.as_deref())?;
    let root = HostRoot::live().context("cannot read /proc; is it mounted?")?;
    privileges::require(&root)?;
    let listener = {
        let _runtime = runtime.enter();
        let address = arguments.listen.as_ref().or(config.listen.as_ref());
        address.map(Listener::open).transpose()?
    };
    let directory = arguments.state_dir.as_ref().unwrap_or(&config.journal.directory);
    let (journal, recovered) = Journal::open(directory, config.journal.limits)?;
    tell(&recovered);
    keep::alive();
    let libvirt = config.libvirt && !arguments.no_libvirt;
    let mut source = LiveSource::open(root.clone(), verbosity, libvirt);
    if let Err(error) = source.watch_stalls(&root.proc.join("pressure/memory")) {
        // `doctor` tells; there are other signs of pressure.
        tracing::debug!("no PSI trigger: {error}");
    }
    let hands = HostActuator::new(root, source.hypervisors());
    let policy = policy(&mut source, &config, &recovered)?;
    let ledger = (Box::new(journal) as Box<dyn Ledger>, recovered.in_flight);
    let mut reactor = Reactor::new(policy, ledger, Some(Box::new(hands)));
    if !reload::acts(arguments, &config) {
        reactor = reactor.observing();
    }
    if !config.hook.is_empty() {
        reactor = reactor.telling(Box::new(HookCommand::start(&config.hook)?));
    }
    if let Some(scribe) = scribe(&config.record) {
        reactor = reactor.recorded(scribe);
    }
    let remote = reactor.remote();
    let interval = reload::interval(arguments, &config);
    let control = Control { interval, detail: None, stop: false };
    let alerts = Alerts::start(config.alert.rules(), &config.alert.send)?;
    let handle = daemon::spawn_with(Box::new(source), Some(reactor), control);
    let (rules, changed) = watch::channel(config.alert.rules());
    runtime.block_on(async {
        if let Some(listener) = listener {
            tokio::spawn(metrics::serve(listener, Feed::alone(handle.clone(), None)));
        }
        tokio::spawn(alerts.follow(handle.step.clone(), changed));
        let arguments = arguments.clone();
        let count = arguments.count;
        let mut session = Session {
            handle: handle.clone(),
            printer: Printer::new(arguments.json),
            running: Running { arguments, config, remote, alerts: rules },
            service: Service::of_environment(),
            hangup,
        };
        let result = session.run(count).await;
        handle.stop(PATIENCE).await;
        result
    })
}

/// What the configuration says; the defaults where there is none.
pub(crate) fn configuration(file: Option<&Path>) -> Result<Config> {
    let path = file.unwrap_or(Path::new(config::FILE));
    let loaded = Config::load(path, file.is_some()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the configuration can't be used:\n{}", problems.join("\n"))
    })?;
    Ok(loaded.config)
}

/// The policy for what this host can measure, as its first sample shows. It knows what an
/// earlier run took.
pub(crate) fn policy(
    source: &mut LiveSource,
    config: &Config,
    recovered: &Recovered,
) -> Result<Box<dyn Policy + Send>> {
    if let Some(cgroup) = &config.scope {
        source.within(cgroup);
    }
    let sample = source.sample(None)?;
    for notice in sample.notices.iter().filter(|notice| notice.about == "scope") {
        tracing::warn!("scope: {}", notice.text);
    }
    let rules = rules(config, &sample);
    let taken = taken(&recovered.holdings, &recovered.in_flight, &sample);
    Ok(Box::new(Memtrace::resume(rules, sample.at, &taken)))
}

/// What the policy goes by on the host of this first sample.
pub(crate) fn rules(config: &Config, first: &Sample) -> Rules {
    Rules { senses: senses::of(first), ..config.rules.clone() }
}

/// Who records, if somebody shall and can. Nothing else waits for that.
fn scribe(config: &RecordConfig) -> Option<Scribe> {
    if !config.used {
        return None;
    }
    let opened = Recorder::open(&config.directory, config.limits).and_then(Scribe::start);
    let directory = config.directory.display();
    opened.map_err(|error| tracing::error!("nothing is recorded into {directory}: {error}")).ok()
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
