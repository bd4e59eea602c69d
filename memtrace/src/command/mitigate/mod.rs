//! `memtrace mitigate`: from arguments to a running reactor.

pub(crate) mod acting;
pub(crate) mod args;
mod keep;
mod print;
mod reload;
mod session;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

use crate::cli::Verbosity;
use crate::command::mitigate::args::MitigateArguments;
use crate::config::{self, Config, RecordConfig};
use crate::service::alert::Alerts;
use crate::service::hook::CommandHook;
use crate::service::live;
use crate::service::manager::Service;
use crate::service::metrics::listen::Listener;
use crate::service::metrics::serve::serve;
use crate::service::policy::policy;
use crate::service::samples;
use crate::service::sampling;
use crate::service::view_input::ViewInput;
use crate::sys::runtime;
use acting::Acting;
use memtrace_core::live::Control;
use memtrace_core::reactor::{Ledger, Reactor};
use memtrace_host::actuate::host::HostActuator;
use memtrace_host::line_sink;
use memtrace_host::probe::Hooking;
use memtrace_store::journal::{Journal, Recovered};
use memtrace_store::recording::{BackgroundRecorder, Recorder};
use print::Printer;
use reload::Running;
use session::Session;

/// Maximum wait for a busy source at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until Ctrl-C, SIGTERM, or enough intervals.
///
/// # Errors
/// [`memtrace_host::privileges::Denied`] without privileges; when another instance is running, the
/// journal can't be used, the listen address is in use, the host can't be sampled, or the output
/// can't be written.
pub fn run(arguments: &MitigateArguments, verbosity: Verbosity) -> Result<()> {
    let runtime = runtime::current_thread()?;
    // First of all: without a handler, SIGHUP ends the process. One that comes from now on reloads
    // the configuration once memtrace runs.
    let hangup = {
        let _runtime = runtime.enter();
        session::listen(SignalKind::hangup())?
    };
    let config = config::chosen(arguments.config.as_deref())?;
    let root = live::privileged_host()?;
    let listener = {
        let _runtime = runtime.enter();
        listener(arguments, &config)?
    };
    let acts = reload::acts(arguments, &config);
    let mut acting = Acting::not_yet(root.clone(), Path::new(acting::LOCK));
    acting.set(acts)?;
    let directory = arguments.state_dir.as_ref().unwrap_or(&config.journal.directory);
    let (journal, recovered) = Journal::open(directory, config.journal.limits)?;
    tell(&recovered);
    keep::alive();
    let libvirt = config.libvirt && !arguments.no_libvirt;
    let offer = {
        let _runtime = runtime.enter();
        samples::offer(None, &config.samples)?
    };
    let hooking = Hooking::when(arguments.always || config.always_hooked);
    let mut source = live::watchful_source(root.clone(), verbosity, libvirt, hooking);
    let tables = source.tables();
    let actuator = HostActuator::new(root, source.hypervisors());
    let policy = policy(&mut source, &config, &recovered)?;
    let ledger = (Box::new(journal) as Box<dyn Ledger>, recovered.in_flight);
    let reactor = Reactor::new(policy, ledger, Some(Box::new(actuator)));
    let mut reactor = equipped(if acts { reactor } else { reactor.observing() }, &config)?;
    let remote = reactor.remote();
    let interval = reload::interval(arguments, &config);
    let control = Control { interval, detail: None, stop: false };
    let alerts = Alerts::start(config.alert.rules(), &config.alert.send)?;
    let handle = sampling::spawn_with(Box::new(source), Some(reactor), control);
    let (rules, changed) = watch::channel(config.alert.rules());
    let result = runtime.block_on(async {
        if let Some(offer) = offer {
            offer.serve("mitigate", &handle);
        }
        if let Some(listener) = listener {
            let input = ViewInput::alone(handle.clone(), None).alerted(alerts.firing());
            tokio::spawn(serve(listener, input));
        }
        tokio::spawn(alerts.follow(handle.step.clone(), changed));
        let arguments = arguments.clone();
        let count = arguments.count;
        let mut session = Session {
            handle: handle.clone(),
            printer: Printer::new(arguments.json),
            running: Running { arguments, config, acting, remote, alerts: rules, tables },
            service: Service::of_environment(),
            hangup,
        };
        let result = session.run(count).await;
        handle.stop(PATIENCE).await;
        result
    });
    drop(runtime);
    line_sink::end_all();
    result
}

/// The socket for metrics, if one is configured. Needs a runtime.
fn listener(arguments: &MitigateArguments, config: &Config) -> Result<Option<Listener>> {
    let address = arguments.listen.as_ref().or(config.metrics.listen.as_ref());
    address.map(|address| Listener::open(address, &config.metrics.access)).transpose()
}

/// With the hook and the recorder, as configured.
fn equipped(mut reactor: Reactor, config: &Config) -> Result<Reactor> {
    if !config.hook.is_empty() {
        reactor = reactor.telling(Box::new(CommandHook::start(&config.hook)?));
    }
    if let Some(recorder) = background_recorder(&config.record) {
        reactor = reactor.recorded(Box::new(recorder));
    }
    Ok(reactor)
}

/// The recorder, if configured and possible. A failure is only logged.
fn background_recorder(config: &RecordConfig) -> Option<BackgroundRecorder> {
    if !config.used {
        return None;
    }
    let opened =
        Recorder::open(&config.directory, config.limits).and_then(BackgroundRecorder::start);
    let directory = config.directory.display();
    opened.map_err(|error| tracing::error!("cannot record into {directory}: {error}")).ok()
}

/// Logs what the last run left.
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
        tracing::info!("memory taken from {} by an earlier run was not given back", held.name);
    }
}
