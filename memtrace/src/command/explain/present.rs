//! The current decisions: those of the `memtrace mitigate` that runs, as its journal has them, or
//! what one would decide that begins now.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::args::ExplainArguments;
use crate::cli::Verbosity;
use crate::config::Config;
use crate::service::live;
use crate::service::policy;
use crate::service::sampling::{self, Handle};
use crate::sys::runtime;
use memtrace_core::live::Control;
use memtrace_core::reactor::entry::{Named, Noted};
use memtrace_core::reactor::{Reactor, Step};
use memtrace_host::probe::Hooking;
use memtrace_store::journal::{Follower, Recovered};

/// Measurement time: guest statistics refresh every 2 s, and a rate needs two of them.
const LOOK: Duration = Duration::from_secs(4);
/// Maximum wait for a busy source at the end.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(1);
/// All of them take no longer.
const LIMIT: Duration = Duration::from_secs(30);
/// One that has just started decides within this time.
const FIRST_NOTE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(100);

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// The running one; its process, where that is known.
    Running(Option<u32>),
    /// Nobody: one that only observes, with an empty memory.
    Nobody,
}

/// Of the one that runs with its journal in `directory`, and without one, what would be decided.
/// Changes and writes nothing.
///
/// # Errors
/// When the journal of a running one can't be read, or it decides nothing; without one, when the
/// host can't be sampled.
pub(super) fn present(
    arguments: &ExplainArguments,
    directory: &Path,
    config: &Config,
    verbosity: Verbosity,
) -> Result<(Noted, Author)> {
    let locks = live::host()?.proc.join("locks");
    let mut follower = Follower::new(directory.to_owned(), locks);
    let found = running(&mut follower, FIRST_NOTE)
        .with_context(|| format!("journal in {}", directory.display()))?;
    match found {
        Some((noted, pid)) => Ok((noted, Author::Running(pid))),
        None => Ok((would_be(arguments, config, verbosity)?, Author::Nobody)),
    }
}

/// The last note of the one that runs. Waits for its first one as long as `patience`.
fn running(follower: &mut Follower, patience: Duration) -> Result<Option<(Noted, Option<u32>)>> {
    let begin = Instant::now();
    loop {
        let Some(followed) = follower.look()? else { return Ok(None) };
        if let Some(noted) = &followed.noted {
            return Ok(Some((noted.clone(), followed.pid)));
        }
        if begin.elapsed() >= patience {
            bail!("the running `memtrace mitigate` has noted no decision yet");
        }
        thread::sleep(AGAIN);
    }
}

/// What a policy decides that has looked for some seconds.
fn would_be(arguments: &ExplainArguments, config: &Config, verbosity: Verbosity) -> Result<Noted> {
    let root = live::privileged_host()?;
    let libvirt = config.libvirt && !arguments.no_libvirt;
    let hooking = Hooking::when(config.always_hooked);
    let mut source = live::source(root, verbosity, libvirt, hooking);
    let policy = policy::policy(&mut source, config, &Recovered::default())?;
    let reactor = Reactor::on_paper(policy);
    let control = Control { interval: INTERVAL, detail: None, stop: false };
    let handle = sampling::spawn_with(Box::new(source), Some(reactor), control);
    let runtime = runtime::current_thread()?;
    let step = runtime.block_on(async {
        let last = tokio::time::timeout(LIMIT, last_of(handle.clone())).await;
        handle.stop(PATIENCE).await;
        last.context("sampling the host takes too long")?
    })?;
    let names = step.snapshot.vms.iter().map(|vm| Named {
        vm: vm.id,
        name: vm.name.clone(),
        labels: vm.labels.clone(),
    });
    Ok(Noted {
        at: step.snapshot.wall,
        acting: false,
        decisions: step.reaction.decisions.clone(),
        names: names.collect(),
    })
}

async fn last_of(mut handle: Handle) -> Result<Arc<Step>> {
    let mut first = None;
    loop {
        if handle.step.changed().await.is_err() {
            handle.failure()?;
        }
        let step = handle.step.borrow_and_update().clone();
        let step = step.context("the host was not sampled")?;
        // Not by the number of steps: under pressure there are more.
        if first.get_or_insert_with(Instant::now).elapsed() >= LOOK {
            return Ok(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use memtrace_core::policy::{Decisions, Level};
    use memtrace_core::units::WallNanos;
    use memtrace_store::journal::{Journal, Limits};

    use super::*;

    fn look(directory: &Path) -> Result<Option<(Noted, Option<u32>)>> {
        running(&mut Follower::new(directory.to_owned(), "/proc/locks".into()), Duration::ZERO)
    }

    #[test]
    fn the_running_one_is_explained_by_what_it_noted_itself() {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        assert!(look(directory.path()).expect("there is nobody").is_none());
        let (mut journal, _) = Journal::open(directory.path(), Limits::default()).expect("free");
        let error = look(directory.path()).expect_err("it has noted nothing");
        assert!(error.to_string().contains("no decision yet"), "{error}");
        let decisions = Decisions { state: Some(Level::Low), ..Decisions::default() };
        journal.note(WallNanos(7), true, &decisions, []).expect("it is written");
        let (noted, pid) = look(directory.path()).expect("it is read").expect("it runs");
        assert_eq!((noted.decisions, noted.acting, noted.at), (decisions, true, WallNanos(7)));
        assert_eq!(pid, Some(std::process::id()));
        drop(journal);
        assert!(look(directory.path()).expect("it ended").is_none(), "its notes are of the past");
    }
}
