//! `memtrace status`: what runs on this host, since when, and what it has taken from VMs.

pub(crate) mod args;
mod samples;
mod served;
mod shown;

use std::path::Path;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use anyhow::{Result, bail};
use jiff::tz::TimeZone;

use crate::command::mitigate::acting;
use crate::command::scraped::{self, MetricsSource};
use crate::config;
use crate::service::live;
use crate::sys::{exit, output};
use args::StatusArguments;
use memtrace_core::reactor::entry::Followed;
use memtrace_core::units::WallNanos;
use memtrace_host::clock;
use memtrace_host::hostfs::{HostRoot, boot_time, locks, process};
use memtrace_store::journal::{Follower, Holder, JournalError, holder_of};
use samples::Serving;
use served::Served;
use shown::{Enforcer, Running, Status};

/// Prints who runs, and returns 0, or 3 where nobody does, or 1 where that isn't known.
///
/// # Errors
/// When neither the journal nor metrics can be read, the configuration that was named is invalid,
/// or the output can't be written.
pub fn run(arguments: &StatusArguments) -> Result<ExitCode> {
    let config = match config::chosen(arguments.config.as_deref()) {
        Err(error) if arguments.config.is_some() => return Err(error),
        config => config.unwrap_or_default(),
    };
    let directory = arguments.state_dir.as_ref().unwrap_or(&config.journal.directory);
    let root = live::host()?;
    let journal = followed(&root, directory);
    let listen = || config.metrics.listen.clone().map(MetricsSource::Listener);
    let served = arguments.source.clone().or_else(listen).map(|place| served_at(&place));
    let others = Others {
        enforcer: enforcer(&root, Path::new(acting::LOCK), directory),
        serving: samples::serving(&root, &config.samples.socket),
    };
    let status = match (journal, served) {
        (Err(journal), Some(Err(metrics))) if others.are_none() => bail!("{journal}; {metrics}"),
        (Err(journal), None) if others.are_none() => bail!("{journal}"),
        (journal, served) => status(&root, directory, journal, served, others),
    };
    let now = clock::wall();
    output::print(&if arguments.json {
        status.json()
    } else {
        status.text(now, &TimeZone::system())
    })?;
    Ok(match status.known() {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::from(exit::NOT_RUNNING),
        None => ExitCode::from(exit::FAILED),
    })
}

/// What the journal has of the one that runs. `None`: nobody does.
fn followed(root: &HostRoot, directory: &Path) -> Result<Option<Followed>, String> {
    let mut follower = Follower::new(directory.to_owned(), root.proc.join("locks"));
    let found = follower.look().map(|followed| followed.cloned());
    found.map_err(|error| unreadable(directory, &error))
}

/// Why nobody could write the journal, as far as that shows.
fn fault(root: &HostRoot, directory: &Path) -> Option<String> {
    let follower = Follower::new(directory.to_owned(), root.proc.join("locks"));
    follower.check().err().map(|error| unreadable(directory, &error))
}

fn unreadable(directory: &Path, error: &JournalError) -> String {
    format!("the journal in {} can't be read: {error}", directory.display())
}

/// Who acts on this host, whatever its state directory. `None`: nobody, or it isn't known.
fn enforcer(root: &HostRoot, lock: &Path, directory: &Path) -> Option<Enforcer> {
    let pid = match holder_of(lock, &root.proc.join("locks")).ok()? {
        Holder::Process(pid) => pid,
        // Of a container, say.
        Holder::None => Some(*locks::holders(root, lock).ok()?.first()?),
    };
    Some(Enforcer { pid, lock: lock.to_owned(), other: directory.to_owned() })
}

fn served_at(place: &MetricsSource) -> Result<Served, String> {
    let samples = scraped::read(place).and_then(|text| scraped::fresh(&text, Some(place)));
    samples.map(|samples| Served::of(&samples)).map_err(|error| format!("{error:#}"))
}

/// Who shows without journal and metrics.
struct Others {
    enforcer: Option<Enforcer>,
    serving: Result<Option<Serving>, String>,
}

impl Others {
    /// Whether none of them is known.
    const fn are_none(&self) -> bool {
        self.enforcer.is_none() && !matches!(self.serving, Ok(Some(_)))
    }
}

fn status(
    root: &HostRoot,
    directory: &Path,
    journal: Result<Option<Followed>, String>,
    served: Option<Result<Served, String>>,
    Others { enforcer, serving }: Others,
) -> Status {
    let mut problems = Vec::new();
    if matches!(journal, Ok(None)) {
        problems.extend(fault(root, directory));
    }
    let followed = journal.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let served = served.and_then(|served| served.map_err(|problem| problems.push(problem)).ok());
    let untold = serving.is_err();
    let serving = serving.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let running = followed.map(|followed| {
        let since = followed.pid.and_then(|pid| started(root, pid));
        Running { directory: directory.to_owned(), since, followed }
    });
    // That one is told of already.
    let enforcer = enforcer.filter(|_| running.is_none());
    Status { running, enforcer, served, serving, untold, problems }
}

/// When a process was started.
fn started(root: &HostRoot, pid: u32) -> Option<WallNanos> {
    let start = process::since_boot(process::stat(root, pid).ok()?.start)?;
    let at = boot_time(root)?.checked_add(start)?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(at.as_nanos()).ok().map(WallNanos)
}

#[cfg(test)]
mod tests {
    use memtrace_core::policy::{Decisions, Level};
    use memtrace_store::journal::{Journal, Limits, Lock};

    use super::*;

    fn alone() -> Others {
        Others { enforcer: None, serving: Ok(None) }
    }

    #[test]
    fn the_holder_of_the_journal_runs_since_its_start() {
        let directory = tempfile::tempdir().expect("there is room");
        let root = live::host().expect("there is /proc");
        let look = || followed(&root, directory.path());
        let nobody = status(&root, directory.path(), look(), None, alone());
        assert!(!nobody.runs());
        let (mut journal, _) = Journal::open(directory.path(), Limits::default()).expect("free");
        let decisions = Decisions { state: Some(Level::Soft), ..Decisions::default() };
        journal.note(clock::wall(), true, &decisions, []).expect("it is written");
        let status = status(&root, directory.path(), look(), None, alone());
        let running = status.running.as_ref().expect("it runs");
        assert_eq!(running.followed.pid, Some(std::process::id()));
        let since = running.since.expect("it has begun");
        assert!(since <= clock::wall() && clock::wall().0 - since.0 < 3_600_000_000_000);
        let text = status.text(clock::wall(), &TimeZone::UTC);
        assert!(text.starts_with("memtrace mitigate runs: enforce, process "), "{text}");
        assert!(text.contains("\nhost state: soft\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_told_beside_what_can() {
        let root = live::host().expect("there is /proc");
        let denied = Err("the journal can't be read".to_owned());
        let status = status(&root, Path::new("/x"), denied, Some(Ok(Served::default())), alone());
        assert!(status.runs(), "it serves");
        let text = status.text(WallNanos(0), &TimeZone::UTC);
        assert!(text.contains("the journal can't be read\n"), "{text}");
    }

    #[test]
    fn who_acts_with_another_state_directory_is_told() {
        let directory = tempfile::tempdir().expect("there is room");
        let (root, lock) = (live::host().expect("there is /proc"), directory.path().join("lock"));
        let look = || enforcer(&root, &lock, Path::new("/x"));
        assert!(look().is_none());
        let _held = Lock::take(&lock).expect("it is free");
        let status =
            status(&root, Path::new("/x"), Ok(None), None, Others { enforcer: look(), ..alone() });
        assert!(status.runs());
        let text = status.text(WallNanos(0), &TimeZone::UTC);
        let told = format!(
            "memtrace mitigate runs: enforce, process {}, which holds {}; its journal is not in /x",
            std::process::id(),
            lock.display()
        );
        assert_eq!(text.lines().next(), Some(told.as_str()));
    }

    #[test]
    fn a_journal_that_nobody_can_write_is_told_with_the_reason() {
        let directory = tempfile::tempdir().expect("there is room");
        let root = live::host().expect("there is /proc");
        let told = |directory: &Path| {
            let status = status(&root, directory, followed(&root, directory), None, alone());
            assert!(!status.runs());
            status.text(WallNanos(0), &TimeZone::UTC)
        };
        let nobody = "memtrace mitigate doesn't run\n";
        assert_eq!(told(&directory.path().join("none")), nobody);
        assert_eq!(told(directory.path()), nobody);
        let absurd = directory.path().join(format!("journal-{}.jsonl", u64::MAX));
        std::fs::write(&absurd, "").expect("it is written");
        let text = told(directory.path());
        assert!(text.starts_with(nobody) && text.contains(&u64::MAX.to_string()), "{text}");
        if std::os::unix::fs::chown(directory.path(), Some(65_534), None).is_ok() {
            let text = told(directory.path());
            assert!(text.ends_with("it belongs to user 65534\n"), "{text}");
        }
    }

    #[test]
    fn one_that_only_measures_runs_and_what_cannot_be_read_of_it_is_told() {
        let directory = tempfile::tempdir().expect("there is room");
        let root = live::host().expect("there is /proc");
        let of = |serving| {
            let others = Others { serving, ..alone() };
            let known = !others.are_none();
            let status = status(&root, directory.path(), Ok(None), None, others);
            (known, status.known(), status.text(WallNanos(0), &TimeZone::UTC))
        };
        // It may hang, or be for others' eyes: that nobody runs would be a guess.
        let (known, runs, text) = of(Err("cannot read the samples".to_owned()));
        let perhaps = "whether a memtrace runs isn't known\ncannot read the samples\n";
        assert_eq!((known, runs, &*text), (false, None, perhaps));
        let socket = "/run/memtrace/samples.sock".into();
        let (pid, since, readers) = (42, WallNanos(0), Some(1));
        let serving = Serving { socket, command: "exporter".to_owned(), pid, since, readers };
        let (known, runs, text) = of(Ok(Some(serving)));
        assert!(known && runs == Some(true));
        let told = "memtrace exporter runs: process 42, since 1970-01-01 00:00:00 (0 s)\n\
                    samples: /run/memtrace/samples.sock, of memtrace exporter (process 42); 1 reader\n";
        assert!(text.starts_with(told), "{text}");
    }
}
