//! The helper's process while it runs: lines to it and from it, its size, its end. Nothing here
//! waits for it but [`Running::wait`], and that no longer than it is told to.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::hostfs::read;
use crate::protocol::{Answer, Ask, Lines, Request, VERSION};
use crate::vmm::name;
use memtrace_core::units::Bytes;

/// Most that waits to be read by it, in bytes.
const MOST_UNREAD: usize = 4 << 20;
/// Bytes that are read at once, and most reads of one turn.
const PIECE: usize = 64 << 10;
const MOST_PIECES: usize = 4;
/// How much of what it says on its standard error is kept.
const MOST_WORDS: usize = 4 << 10;
/// How long its end may take once it has closed its socket.
const FAREWELL: Duration = Duration::from_secs(1);
/// What ld.so says before what it misses; it exits with that code.
const UNLOADED: &str = "error while loading shared libraries: ";
const NOT_LOADED: i32 = 127;

/// Whose the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// The process. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    statm: PathBuf,
    socket: UnixStream,
    errors: Option<ChildStderr>,
    words: Vec<u8>,
    lines: Lines,
    outgoing: VecDeque<Outgoing>,
    unread: usize,
    asked: u64,
}

/// A line that isn't sent yet, or not all of it.
#[derive(Debug)]
struct Outgoing {
    line: Vec<u8>,
    sent: usize,
    /// Goes with its first byte.
    beside: Option<OwnedFd>,
}

impl Running {
    /// Starts it. `credentials`: whose it is, when not ours.
    ///
    /// # Errors
    /// Why it can't be started.
    pub(super) fn start(program: &Path, credentials: Option<Credentials>) -> Result<Self, String> {
        let start = || -> io::Result<Self> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let mut command = Command::new(program);
            command.arg(VERSION).env_clear().current_dir("/");
            command.envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C.UTF-8")]);
            // libvirt's library starts no daemon of its own, and reads nobody's settings.
            command.envs([("LIBVIRT_AUTOSTART", "0"), ("HOME", "/nonexistent")]);
            command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
            // A terminal's Ctrl-C is for memtrace, which ends it.
            command.process_group(0);
            if let Some(Credentials { user, group }) = credentials {
                command.uid(user).gid(group);
            }
            let mut child = command.spawn()?;
            let errors = child.stderr.take();
            if let Some(errors) = &errors {
                rustix::io::ioctl_fionbio(errors, true)?;
            }
            Ok(Self {
                statm: PathBuf::from(format!("/proc/{}/statm", child.id())),
                child,
                socket: ours,
                errors,
                words: Vec::new(),
                lines: Lines::default(),
                outgoing: VecDeque::new(),
                unread: 0,
                asked: 0,
            })
        };
        start().map_err(|error| format!("{}: {error}", program.display()))
    }

    /// Queues a request, with a socket beside it. Its id.
    pub(super) fn ask(&mut self, daemon: u32, ask: Ask, beside: Option<OwnedFd>) -> u64 {
        self.asked = self.asked.wrapping_add(1);
        let line = Request { id: self.asked, daemon, ask }.line();
        self.unread = self.unread.saturating_add(line.len());
        self.outgoing.push_back(Outgoing { line, sent: 0, beside });
        self.asked
    }

    /// Its resident memory. `None`: it is gone.
    pub(super) fn size(&self) -> Option<Bytes> {
        let text = read::text(&self.statm, read::SMALL).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Bytes(pages.saturating_mul(rustix::param::page_size() as u64)))
    }

    /// Sends and receives, until there are answers, `bell` rings, or it is `until`.
    ///
    /// # Errors
    /// What it did, after which it is of no use any more.
    pub(super) fn wait(
        &mut self,
        bell: Option<BorrowedFd<'_>>,
        until: Instant,
    ) -> Result<Vec<Answer>, String> {
        if self.unread > MOST_UNREAD {
            return Err("does not read what it is asked".to_owned());
        }
        let wanted =
            if self.outgoing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut sources = vec![PollFd::new(&self.socket, wanted)];
        let rings = bell.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN));
        let errors = self.errors.as_ref().map(|errors| PollFd::new(errors, PollFlags::IN));
        sources.extend(rings.into_iter().chain(errors));
        match poll(&mut sources, Some(&until_then(until))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
        self.hear();
        self.send().map_err(|error| self.gone(&error))?;
        self.receive()
    }

    /// Ends it, and says in words what became of it; `why`: what it did before.
    pub(super) fn end(mut self, why: &str) -> String {
        let status = if why.is_empty() { self.leave() } else { None };
        self.hear();
        match status {
            Some(status) => ended(status, &String::from_utf8_lossy(&self.words)),
            None if why.is_empty() => "memtrace-libvirt closed its connection".to_owned(),
            None => format!("memtrace-libvirt {why}"),
        }
    }

    /// Its status, if it ends by itself within a moment.
    fn leave(&mut self) -> Option<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)?;
        if let Ok(pid) = pidfd_open(pid, PidfdFlags::empty()) {
            let until = Instant::now() + FAREWELL;
            let _ = poll(&mut [PollFd::new(&pid, PollFlags::IN)], Some(&until_then(until)));
        }
        self.child.try_wait().ok().flatten()
    }

    /// Keeps the beginning of what it says on its standard error, so that it never waits for a
    /// reader.
    fn hear(&mut self) {
        let Some(errors) = &mut self.errors else { return };
        let mut piece = [0; MOST_WORDS];
        for _ in 0..MOST_PIECES {
            match errors.read(&mut piece) {
                Ok(0) => {
                    self.errors = None;
                    return;
                }
                Ok(read) => {
                    let room = MOST_WORDS.saturating_sub(self.words.len()).min(read);
                    self.words.extend_from_slice(piece.get(..room).unwrap_or_default());
                }
                Err(_) => return,
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while let Some(next) = self.outgoing.front_mut() {
            let rest = next.line.get(next.sent..).unwrap_or_default();
            let sent = match send_with(&self.socket, rest, next.beside.as_ref()) {
                Ok(sent) => sent,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            next.beside = None;
            next.sent = next.sent.saturating_add(sent);
            self.unread = self.unread.saturating_sub(sent);
            if next.sent >= next.line.len() {
                self.outgoing.pop_front();
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<Answer>, String> {
        let mut piece = vec![0; PIECE];
        for _ in 0..MOST_PIECES {
            match self.socket.read(&mut piece) {
                Ok(0) => return Err(String::new()),
                Ok(read) => {
                    let read = piece.get(..read).unwrap_or_default();
                    self.lines.take(read).map_err(|long| format!("sent {long}"))?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.gone(&error)),
            }
        }
        let mut answers = Vec::new();
        while let Some(line) = self.lines.next_line() {
            let answer =
                Answer::parse(&line).map_err(|error| format!("sent no answer: {error}"))?;
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Empty where its own end says more.
    fn gone(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => String::new(),
            _ => format!("cannot be talked to: {error}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Also of one that has ended: its status is fetched. One that isn't ours to kill ends when
        // its socket is closed, which is next.
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// From now on; at once when that is over.
pub(super) fn until_then(until: Instant) -> Timespec {
    let left = until.saturating_duration_since(Instant::now());
    // Up, so that it is over then.
    let left = left.saturating_add(Duration::from_millis(1));
    Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
}

fn send_with(
    socket: &UnixStream,
    bytes: &[u8],
    beside: Option<&OwnedFd>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = beside.iter().map(|one| one.as_fd()).collect();
    if !descriptors.is_empty() {
        message.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut message, SendFlags::NOSIGNAL)
}

fn ended(status: ExitStatus, words: &str) -> String {
    if status.code() == Some(NOT_LOADED)
        && let Some((_, missing)) = words.split_once(UNLOADED)
    {
        return name::display(missing.lines().next().unwrap_or_default());
    }
    let said = words.lines().rfind(|line| !line.trim().is_empty());
    let said = said.map(|line| format!(": {}", name::display(line))).unwrap_or_default();
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("memtrace-libvirt was ended by signal {signal}{said}"),
        (None, code) => {
            format!("memtrace-libvirt exited with {}{said}", code.unwrap_or_default())
        }
    }
}
