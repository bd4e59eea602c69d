//! `memtrace exporter`: samples until it is stopped, serves metrics, and writes them for
//! node_exporter's textfile collector.

pub(crate) mod args;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::cli::Verbosity;
use crate::cli::samples::SamplesArguments;
use crate::config::{self, Config, SamplesConfig};
use crate::service::live;
use crate::service::manager::Service;
use crate::service::metrics::listen::Listener;
use crate::service::metrics::page_size;
use crate::service::metrics::serve::serve;
use crate::service::samples::{self, Offer};
use crate::service::sampling::{self, Handle};
use crate::service::view_input::ViewInput;
use crate::sys::address::Address;
use crate::sys::atomic_write::replace;
use crate::sys::interrupt::Interrupt;
use crate::sys::runtime;
use args::ExporterArguments;
use memtrace_core::format::several;
use memtrace_core::live::{Control, Latest};
use memtrace_host::clock;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::privileges;
use memtrace_host::probe::Hooking;
use memtrace_store::journal::Follower;
use memtrace_view::export::metrics::{Form, Scene, text};

/// Maximum wait for a busy source at the end.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where metrics are served if nothing else is said.
const ADDRESS: &str = ":9435";

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`privileges::Denied`] without privileges, unless another memtrace's samples can be read; when
/// the configuration is invalid, the address is in use, or the host can't be sampled.
pub fn run(arguments: &ExporterArguments, verbosity: Verbosity) -> Result<()> {
    let config = config::chosen(arguments.config.as_deref())?;
    let root = live::host()?;
    let interrupt = Interrupt::watch()?;
    let runtime = runtime::current_thread()?;
    let address = address(arguments, &config)?;
    let listener = {
        let _runtime = runtime.enter();
        let open = |address| Listener::open(address, &config.metrics.access);
        address.as_ref().map(open).transpose()?
    };
    let follower = Follower::new(config.journal.directory.clone(), root.proc.join("locks"));
    let (handle, offer) = {
        let _runtime = runtime.enter();
        begin(arguments, &config, root, verbosity)?
    };
    if let Some(address) = &address {
        tracing::info!("metrics at {address}");
    }
    runtime.block_on(async {
        if let Some(offer) = offer {
            offer.serve("exporter", &handle);
        }
        let idle = Some("an exporter decides nothing".into());
        let input = ViewInput::beside(handle.clone(), idle, follower);
        if let Some(listener) = listener {
            tokio::spawn(serve(listener, input.clone()));
        }
        let result = export(input, arguments, &interrupt).await;
        handle.stop(PATIENCE).await;
        result
    })
}

/// The loop: by the samples of another memtrace that serves them, or by an own measurement, whose
/// samples are then served to others. Needs a runtime.
fn begin(
    arguments: &ExporterArguments,
    config: &Config,
    root: HostRoot,
    verbosity: Verbosity,
) -> Result<(Handle, Option<Offer>)> {
    let control = Control { interval: arguments.interval, detail: None, stop: false };
    let typed =
        SamplesArguments { attach: arguments.attach, always: arguments.always, samples: None };
    let socket = arguments.samples.as_ref().unwrap_or(&config.samples.socket).clone();
    let place = SamplesConfig { socket, ..config.samples };
    if let Some(samples) = samples::read::samples(&typed, Some(&place), &root)? {
        tracing::info!("{}", samples.notice());
        privileges::keep_few();
        return Ok((sampling::follow(Box::new(samples), |_| None, control), None));
    }
    privileges::require(&root)?;
    let offer = samples::offer(arguments.samples.as_deref(), &config.samples)?;
    let libvirt = config.libvirt && !arguments.no_libvirt;
    let hooking = Hooking::when(arguments.always || config.always_hooked);
    let mut source = live::source(root, verbosity, libvirt, hooking);
    source.configure(&config.rules.vms);
    Ok((sampling::spawn(Box::new(source), control), offer))
}

/// Where to serve. One that only writes a file serves where it is told to.
fn address(arguments: &ExporterArguments, config: &Config) -> Result<Option<Address>> {
    let configured = arguments.listen.as_ref().or(config.metrics.listen.as_ref());
    match (configured, &arguments.textfile) {
        (Some(address), _) => Ok(Some(address.clone())),
        (None, Some(_)) => Ok(None),
        (None, None) => ADDRESS.parse().map(Some),
    }
}

/// Follows the samples, for the service manager and the file.
async fn export(
    mut input: ViewInput,
    arguments: &ExporterArguments,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut service = Service::of_environment();
    let mut writes = grid(arguments.every);
    let mut is_ready = false;
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            changed = input.handle.latest.changed() => {
                if changed.is_err() {
                    return input.handle.failure();
                }
                let latest = input.handle.latest.borrow_and_update().clone();
                if let Latest::Failed(_) = latest {
                    return input.handle.failure();
                }
                if !is_ready {
                    service.ready(arguments.interval);
                    is_ready = true;
                }
                service.progress(|| status(&latest));
            }
            _ = writes.tick(), if arguments.textfile.is_some() => {
                // Tried again: its age is what the collector's users watch
                // (`memtrace_sample_timestamp_seconds`).
                if let Some(path) = &arguments.textfile
                    && let Err(error) = write(&input, path).await
                {
                    tracing::warn!("{error:#}");
                }
            }
        }
    }
    service.stopping();
    Ok(())
}

/// A write that is late isn't made up for.
fn grid(every: Duration) -> Interval {
    let mut grid = interval(every);
    grid.set_missed_tick_behavior(MissedTickBehavior::Delay);
    grid
}

fn status(latest: &Latest) -> String {
    match latest {
        Latest::Snapshot(snapshot) => several(snapshot.vms.len() as u64, "VM"),
        Latest::Starting | Latest::Waiting(_) | Latest::Failed(_) => "no sample yet".to_owned(),
    }
}

/// Writes the newest sample, if there is one.
///
/// # Errors
/// When the file can't be written.
async fn write(input: &ViewInput, path: &Path) -> Result<()> {
    let Latest::Snapshot(mut snapshot) = input.handle.latest.borrow().clone() else {
        return Ok(());
    };
    let decided = input.decided();
    let path = path.to_owned();
    // A disk may be slow; signals and the service manager don't wait.
    let written = tokio::task::spawn_blocking(move || {
        decided.aim(&mut snapshot);
        let scene = Scene::new(snapshot, decided, page_size(), clock::wall());
        let text = text(scene, Form::Classic)?;
        replace(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    });
    written.await?
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::command::{Arguments, Command};
    use memtrace_core::fixture::samples;
    use memtrace_core::sample::{Sample, VmId};
    use memtrace_core::source::{Pressure, Source};

    const LIMIT: Duration = Duration::from_secs(20);

    fn typed(words: &[&str]) -> ExporterArguments {
        let words = ["memtrace", "exporter"].iter().chain(words);
        match Arguments::try_parse_from(words).expect("it can be typed").command {
            Some(Command::Exporter(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    fn place(words: &[&str], config: &Config) -> Option<String> {
        let address = address(&typed(words), config).expect("it is an address");
        address.map(|address| address.to_string())
    }

    #[test]
    fn it_serves_where_it_is_told_to_and_else_at_its_own_port() {
        let mut config = Config::default();
        let own: Address = ADDRESS.parse().unwrap();
        assert_eq!(place(&[], &config), Some(own.to_string()));
        assert_eq!(place(&["--textfile", "m.prom"], &config), None);
        let unix = "unix:/run/m.sock";
        assert_eq!(place(&["--listen", unix, "--textfile", "m.prom"], &config).unwrap(), unix);
        config.metrics.listen = Some(":9999".parse().unwrap());
        assert_eq!(place(&[], &config), config.metrics.listen.map(|address| address.to_string()));
    }

    /// A VM with one more page fault in each sample.
    struct Faulting(u64);

    impl Source for Faulting {
        fn sample(&mut self, _: Option<VmId>) -> Result<Sample> {
            self.0 += 1;
            let vm = samples::counting(samples::vm("a", 7), |row| row.user_faults = self.0);
            Ok(samples::sample(self.0, vec![vm]))
        }

        fn wait(&mut self, timeout: Duration) -> Option<Pressure> {
            std::thread::park_timeout(timeout);
            None
        }
    }

    /// What a rate is made of: the same counters, of two files, in a process that goes on.
    #[tokio::test]
    async fn counters_go_on_from_one_file_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.prom");
        let control = Control { interval: Duration::from_millis(5), detail: None, stop: false };
        let handle = sampling::spawn(Box::new(Faulting(0)), control);
        let mut input = ViewInput::alone(handle.clone(), None);
        let faults = |text: &str| {
            let is_it = |line: &&str| {
                line.starts_with("memtrace_vm_faults_total{") && line.contains("\"user\"")
            };
            text.lines().find(is_it)?.rsplit(' ').next()?.parse::<u64>().ok()
        };
        let mut told = Vec::new();
        for _ in 0..3 {
            let seen = told.last().copied().unwrap_or(0);
            let has_moved = |latest: &Latest| match latest {
                Latest::Snapshot(now) => now.vms.iter().any(|vm| {
                    vm.totals.value.as_ref().is_some_and(|row| row.counters.user_faults > seen)
                }),
                Latest::Starting | Latest::Waiting(_) | Latest::Failed(_) => false,
            };
            let moved = tokio::time::timeout(LIMIT, input.handle.latest.wait_for(has_moved));
            moved.await.expect("in time").expect("the loop runs");
            write(&input, &path).await.expect("it is written");
            let text = std::fs::read_to_string(&path).expect("it was written");
            told.extend(faults(&text));
        }
        assert!(told.len() == 3 && told[0] < told[1] && told[1] < told[2], "{told:?}");
        handle.stop(LIMIT).await;
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_named() {
        let control = Control { interval: Duration::from_millis(5), detail: None, stop: false };
        let handle = sampling::spawn(Box::new(samples::Seconds::endless()), control);
        let mut input = ViewInput::alone(handle.clone(), None);
        let is_there = |latest: &Latest| matches!(latest, Latest::Snapshot(_));
        let first = tokio::time::timeout(LIMIT, input.handle.latest.wait_for(is_there));
        first.await.expect("in time").expect("the loop runs");
        let error = write(&input, Path::new("/nowhere/at/all.prom")).await.expect_err("no folder");
        assert!(error.to_string().contains("/nowhere/at/all.prom"), "{error:#}");
        handle.stop(LIMIT).await;
    }
}
