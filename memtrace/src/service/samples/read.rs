//! Reads the samples of another memtrace of this host.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use jiff::tz::TimeZone;
use nix::unistd::{Gid, Group};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::GROUP;
use super::patient::Patient;
use super::rhythm::Rhythm;
use crate::cli::samples::SamplesArguments;
use crate::config::{self, SamplesConfig};
use crate::service::sampling::Incoming;
use memtrace_core::anchors::is_due;
use memtrace_core::model::{Snapshot, derive};
use memtrace_core::sample::{Notice, Sample, Topic};
use memtrace_core::text::clean;
use memtrace_core::units::Nanos;
use memtrace_host::clock;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::privileges;
use memtrace_store::recording::{self, Origin};
use memtrace_view::summary::local_time;

/// Time limit of an answer, and of a frame that has begun.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time until the first two samples: the longest interval, and as much again for a busy
/// host.
const SILENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether samples still come.
const SLICE: Duration = Duration::from_secs(1);

/// The stream of another memtrace's samples.
#[derive(Debug)]
pub(crate) struct Samples {
    incoming: recording::Incoming<Patient>,
    /// The next one, if it came with the one before.
    ahead: Option<Sample>,
    rhythm: Rhythm,
    /// The clock of samples.
    now: fn() -> Nanos,
    notice: Notice,
    /// The socket.
    place: PathBuf,
}

/// Connects to the memtrace that serves samples. `None`: there is none, or it isn't wanted, and the
/// caller has to measure.
///
/// # Errors
/// When the socket that was asked for doesn't answer; [`privileges::Denied`] where this process may
/// neither read samples nor measure.
pub(crate) fn samples(
    arguments: &SamplesArguments,
    config: Option<&SamplesConfig>,
    root: &HostRoot,
) -> Result<Option<Samples>> {
    if arguments.attach || arguments.always {
        return Ok(None);
    }
    if let Some(path) = &arguments.samples {
        return Samples::open(path).map(Some).map_err(|error| told(path, error));
    }
    let path = match config {
        Some(config) => config.socket.clone(),
        None => config::chosen(None).map_or_else(|_| config::SOCKET.into(), |it| it.samples.socket),
    };
    let error = match Samples::open(&path) {
        Ok(samples) => return Ok(Some(samples)),
        Err(error) => error,
    };
    match kind(&error) {
        _ if is_nobody(&error) => Ok(None),
        Some(io::ErrorKind::PermissionDenied) => {
            let may_read =
                format!("be in the group {}, which may read {}", group(&path), path.display());
            privileges::require(root).map_err(|denied| denied.or(may_read))?;
            Ok(None)
        }
        _ => {
            tracing::warn!("{:#}; measuring instead", told(&path, error));
            Ok(None)
        }
    }
}

/// Whether it says that nobody serves samples.
fn is_nobody(error: &Error) -> bool {
    matches!(kind(error), Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused))
}

fn kind(error: &Error) -> Option<io::ErrorKind> {
    error.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// The error with what it means.
fn told(path: &Path, error: Error) -> Error {
    let about = format!("cannot read the samples of another memtrace from {}", path.display());
    match kind(&error) {
        Some(io::ErrorKind::PermissionDenied) => {
            error.context(format!("{about}: members of the group {} may", group(path)))
        }
        _ => error.context(about),
    }
}

/// The group that may read from a socket, by it or else by its directory.
fn group(path: &Path) -> String {
    let owned = [Some(path), path.parent()].into_iter().flatten();
    let gid = owned.filter_map(|path| path.metadata().ok()).map(|found| found.gid()).next();
    // Nobody should be in root's.
    let gid = gid.filter(|gid| *gid != 0);
    let name = gid.and_then(|gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten());
    name.map_or_else(|| GROUP.to_owned(), |group| group.name)
}

impl Samples {
    /// Those of the memtrace that serves at this socket, if one does.
    ///
    /// # Errors
    /// When it can't be read, or something else is there.
    pub(crate) fn found(path: &Path) -> Result<Option<Self>> {
        match Self::open(path) {
            Err(error) if is_nobody(&error) => Ok(None),
            found => found.map(Some).map_err(|error| told(path, error)),
        }
    }

    /// # Errors
    /// When nobody serves samples there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        // Without waiting for a memtrace that hangs.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?).map_err(io::Error::from)?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Self::of(stream, path)
    }

    fn of(stream: UnixStream, place: &Path) -> Result<Self> {
        let stream = Patient::new(stream, PATIENCE);
        let incoming = recording::Incoming::open(stream).map_err(|error| match error {
            recording::ReadError::Io(error) => anyhow!(why(&error, "closed; there may be no room")),
            error => Error::new(error),
        })?;
        let (notice, place) = (notice(incoming.origin()), place.to_owned());
        let (ahead, rhythm, now) = (None, Rhythm::default(), clock::monotonic as fn() -> Nanos);
        Ok(Self { incoming, ahead, rhythm, now, notice, place })
    }

    /// Two samples over this time, compared as in the live view.
    ///
    /// # Errors
    /// When there will be no more of them.
    pub(crate) fn look(&mut self, interval: Duration) -> Result<Snapshot> {
        let before = self.next()?;
        loop {
            let now = self.next()?;
            if is_due(before.at, now.at, interval) {
                return Ok(derive(Some(&before), &now));
            }
        }
    }

    fn next(&mut self) -> Result<Sample> {
        let begun = Instant::now();
        while begun.elapsed() < SILENCE {
            if let Some(sample) = self.take(SLICE)? {
                return Ok(sample);
            }
        }
        bail!("{}: no sample within {} s", self.name(), SILENCE.as_secs())
    }

    /// The next one, if it begins within `most`.
    fn take(&mut self, most: Duration) -> Result<Option<Sample>> {
        if let Some(sample) = self.ahead.take() {
            return Ok(Some(sample));
        }
        if !self.comes_within(most)? {
            self.is_not_late()?;
            return Ok(None);
        }
        let sample = self.receive()?;
        // The first two come together, and only both tell whether they are old.
        if self.incoming.has_more() {
            self.ahead = Some(self.receive()?);
        }
        self.is_not_late()?;
        Ok(Some(sample))
    }

    fn comes_within(&self, most: Duration) -> Result<bool> {
        if self.incoming.has_more() {
            return Ok(true);
        }
        let mut ready = [PollFd::new(self.incoming.source(), PollFlags::IN)];
        match poll(&mut ready, Some(&Timespec::try_from(most)?)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error).context("cannot wait for a sample"),
        }
    }

    fn receive(&mut self) -> Result<Sample> {
        self.incoming.source().begin();
        match self.incoming.receive() {
            Ok(Some(moment)) => {
                self.rhythm.note(moment.sample.at);
                Ok(moment.sample)
            }
            Ok(None) => bail!(
                "{} has ended, has no room for one more reader, or found this process too slow",
                self.name()
            ),
            Err(error) => bail!("{}: {}", self.name(), why(&error, "it ended within a sample")),
        }
    }

    /// # Errors
    /// When there should be a newer sample: the other memtrace hangs.
    fn is_not_late(&self) -> Result<()> {
        match self.rhythm.late((self.now)()) {
            None => Ok(()),
            Some(age) => {
                let age = age.as_secs();
                bail!("{} takes no samples: the newest is {age} s old", self.name())
            }
        }
    }

    pub(crate) const fn origin(&self) -> &Origin {
        self.incoming.origin()
    }

    /// Who takes them.
    pub(crate) fn name(&self) -> String {
        name(self.incoming.origin())
    }

    /// The socket that they are read from.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Where the numbers come from, for the operator.
    pub(crate) fn notice(&self) -> &str {
        &self.notice.text
    }
}

impl Incoming for Samples {
    fn next_within(&mut self, most: Duration) -> Result<Option<Sample>> {
        let sample = self.take(most)?;
        Ok(sample.map(|mut sample| {
            sample.notices.push(self.notice.clone());
            sample
        }))
    }
}

/// What an error of reading means. `cut`: the end, where more has to come.
fn why(error: &io::Error, cut: &str) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => cut.to_owned(),
        io::ErrorKind::WouldBlock => format!("no answer within {} s", PATIENCE.as_secs()),
        _ => error.to_string(),
    }
}

fn name(origin: &Origin) -> String {
    format!("memtrace {} (process {})", clean(&origin.command), origin.pid)
}

fn notice(origin: &Origin) -> Notice {
    let since = local_time(origin.since, &TimeZone::system(), "%Y-%m-%d %H:%M:%S");
    Notice { about: Topic::Memtrace, text: format!("numbers of {}, since {since}", name(origin)) }
}

#[cfg(test)]
mod tests;
