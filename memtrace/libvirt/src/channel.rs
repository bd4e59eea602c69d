//! The socket to memtrace: requests, with descriptors beside some of them, and answers.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use memtrace_host::protocol::{Answer, Lines, Request, Said};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;
/// Most descriptors that come with one piece.
const MOST_SOCKETS: usize = 8;

/// One end of a socket pair.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    /// One line at a time.
    writing: Mutex<()>,
}

/// What came over it and wasn't looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Received {
    lines: Lines,
    sockets: VecDeque<OwnedFd>,
}

impl Received {
    /// The next request.
    ///
    /// # Errors
    /// When a line is none.
    pub(crate) fn request(&mut self) -> io::Result<Option<Request>> {
        let Some(line) = self.lines.next_line() else { return Ok(None) };
        Request::parse(&line).map(Some).map_err(io::Error::other)
    }

    /// The socket of the next request that has one: they come in the order of their lines.
    pub(crate) fn socket(&mut self) -> Option<OwnedFd> {
        self.sockets.pop_front()
    }
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, writing: Mutex::new(()) }
    }

    /// On the descriptor 0.
    ///
    /// # Panics
    /// When that can't be duplicated: there is nobody to talk to.
    pub(crate) fn of_stdin() -> Self {
        let socket = io::stdin().as_fd().try_clone_to_owned();
        Self::new(socket.expect("standard input is open"))
    }

    /// Waits for more. `false`: the other end is closed.
    ///
    /// # Errors
    /// When it is no socket, or sends what is no line.
    pub(crate) fn receive(&self, into: &mut Received) -> io::Result<bool> {
        let mut bytes = [0; PIECE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let read = loop {
            let mut pieces = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.socket, &mut pieces, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                // memtrace ended without reading all.
                Err(rustix::io::Errno::CONNRESET) => return Ok(false),
                other => break other?.bytes,
            }
        };
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                into.sockets.extend(sockets);
            }
        }
        into.lines
            .take(bytes.get(..read).unwrap_or_default())
            .map_err(|long| io::Error::other(long.to_string()))?;
        Ok(read > 0)
    }

    /// Sends an answer. One that can't be sent has nobody who waits for it: the reading thread
    /// notices.
    pub(crate) fn answer(&self, id: u64, said: Said) {
        let line = Answer { id, said }.line();
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest: &[u8] = &line;
        while !rest.is_empty() {
            match send_some(self.socket.as_fd(), rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

fn send_some(socket: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    send(socket, bytes, SendFlags::NOSIGNAL)
}
