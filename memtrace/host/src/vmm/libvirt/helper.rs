//! A helper process, and the thread that looks after it: starts it, asks it, and ends it when it
//! doesn't answer, grows or goes wrong. Everybody else only leaves messages for that thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use uuid::Uuid;

use super::driver::Driver;
use super::known::Known;
use super::program::Program;
use super::running::Credentials;
use crate::vmm::order::SetBalloon;
use memtrace_core::units::Bytes;

/// Most messages that wait for the thread.
const MOST_MESSAGES: usize = 1024;

/// How long and how much a helper may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For the list of a daemon's domains.
    pub(super) list: Duration,
    /// For a domain, and for an order. A domain that has exceeded it gets twice as long.
    pub(super) domain: Duration,
    /// Before it is started again, at first and at most; a run of the latter length is a good one.
    pub(super) pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) size: Bytes,
    /// Between two attempts to find the same daemon's socket.
    pub(super) find: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list: Duration::from_secs(20),
            domain: Duration::from_secs(60),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            size: Bytes(256 << 20),
            find: Duration::from_secs(10),
        }
    }
}

/// What a helper is started with.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) program: Program,
    /// Whose its process is. `None`: memtrace's own user's.
    pub(super) credentials: Option<Credentials>,
    pub(super) limits: Limits,
}

/// A message for the thread.
pub(super) enum Message {
    /// Ask this daemon from now on, for as long as what is known of it has readers.
    Adopt(Adopted),
    /// Change the size of a domain of that daemon.
    Order(u32, Uuid, SetBalloon),
}

/// A daemon to ask.
pub(super) struct Adopted {
    pub(super) number: u32,
    pub(super) known: Weak<Known>,
    /// Its socket, and whether it is a user's own daemon. `None`: qemu:///system.
    pub(super) socket: Option<(OwnedFd, bool)>,
}

/// The thread's letter box. It ends once that is closed.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: Mutex<Messages>,
    bell: OwnedFd,
}

#[derive(Default)]
struct Messages {
    queue: VecDeque<Message>,
    closed: bool,
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} messages", self.queue.len())
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never blocks. The message comes back when there is no room, or nobody to read it.
    pub(super) fn leave(&self, message: Message) -> Result<(), Message> {
        let mut messages = self.lock();
        if messages.closed || messages.queue.len() >= MOST_MESSAGES {
            return Err(message);
        }
        messages.queue.push_back(message);
        drop(messages);
        self.ring();
        Ok(())
    }

    fn ring(&self) {
        // Its counter is as good as rung when it is full.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn close(&self) {
        self.lock().closed = true;
        self.ring();
    }

    /// All messages; `None`: it is closed.
    pub(super) fn take(&self) -> Option<VecDeque<Message>> {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        let mut messages = self.lock();
        if messages.closed {
            // What is left gets its answer as it is dropped.
            messages.queue.clear();
            return None;
        }
        Some(std::mem::take(&mut messages.queue))
    }

    /// Readable when there is something to take.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Where a daemon is asked: the helper, and the daemon's number there.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) inbox: Arc<Inbox>,
    pub(super) number: u32,
}

/// A helper. Its thread and its process end when this is dropped.
#[derive(Debug)]
pub(super) struct Helper {
    inbox: Arc<Inbox>,
    adopted: u32,
}

impl Helper {
    /// Starts the thread; the process is started once there is a daemon to ask.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(setting: Setting) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("cannot start a thread: {error}");
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = eventfd(0, flags).map_err(|error| cannot(error.into()))?;
        let inbox = Arc::new(Inbox { messages: Mutex::default(), bell });
        let driver = Driver::new(setting, Arc::clone(&inbox));
        let thread = thread::Builder::new().name("memtrace-libvirt".to_owned());
        thread.spawn(move || driver.run()).map_err(cannot)?;
        Ok(Self { inbox, adopted: 0 })
    }

    /// Has a daemon asked.
    pub(super) fn adopt(&mut self, known: &Arc<Known>, socket: Option<(OwnedFd, bool)>) {
        let number = match &socket {
            None => crate::protocol::SYSTEM,
            Some(_) => {
                self.adopted = self.adopted.saturating_add(1);
                self.adopted
            }
        };
        known.set_seat(Some(Seat { inbox: Arc::clone(&self.inbox), number }));
        let adopted = Adopted { number, known: Arc::downgrade(known), socket };
        if self.inbox.leave(Message::Adopt(adopted)).is_err() {
            known.set_seat(None);
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.inbox.close();
    }
}
