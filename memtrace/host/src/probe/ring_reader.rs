//! Reads events from the ring buffer on its own thread, timestamps and queues them, and signals an
//! eventfd.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use aya::maps::{MapData, RingBuf};
use memtrace_ebpf::Event;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

use super::Arrived;
use crate::clock::monotonic;
use crate::privileges;

/// What an event takes in the ring buffer: itself and the header of its record
/// (BPF_RINGBUF_HDR_SZ, include/uapi/linux/bpf.h).
const RECORD: usize = size_of::<Event>() + 8;
/// Maximum number of events per batch, which bounds how long the lock is held.
const AT_A_TIME: usize = 1024;
/// Where it can't be of the real-time class.
const NICENESS: i32 = -20;

/// The thread and its events. The thread ends when this is dropped.
pub(super) struct RingReader {
    shared: Arc<Shared>,
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Readable as long as the queue isn't empty.
    bell: OwnedFd,
}

struct Queue {
    ring: RingBuf<MapData>,
    events: VecDeque<Arrived>,
    /// As many as the ring buffer has room for.
    most: usize,
    lost: u64,
}

impl RingReader {
    /// Starts the thread. `bytes`: the size of the ring buffer.
    ///
    /// # Errors
    /// Without a descriptor or a thread for it.
    pub(super) fn start(ring: RingBuf<MapData>, bytes: u32) -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let watched = rustix::io::fcntl_dupfd_cloexec(&ring, 0).context("watch the events")?;
        let most = usize::try_from(bytes)? / RECORD;
        let queue = Mutex::new(Queue { ring, events: VecDeque::new(), most, lost: 0 });
        let shared = Arc::new(Shared { queue, bell: eventfd(0, flags)? });
        let stop = eventfd(0, flags)?;
        let ended = rustix::io::fcntl_dupfd_cloexec(&stop, 0)?;
        let thread = std::thread::Builder::new()
            .name("events".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.follow(&watched, &ended)
            })
            .context("start the events' thread")?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// All events until now, oldest first.
    pub(super) fn take(&self) -> Vec<Arrived> {
        let mut queue = self.shared.lock();
        // Includes events of this very moment.
        queue.fill();
        self.shared.ring_bell(false);
        std::mem::take(&mut queue.events).into()
    }

    /// Events for which there was no room.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    /// Readable when there are events.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        let told = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let (Some(thread), Ok(_)) = (self.thread.take(), told) {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the thread.
    fn follow(&self, ring: &OwnedFd, stop: &OwnedFd) {
        // Where neither is permitted it waits its turn.
        if let Err(error) =
            go_first().or_else(|_| rustix::process::setpriority_process(None, NICENESS))
        {
            tracing::debug!("the events' thread is not preferred: {error}");
        }
        privileges::keep_none();
        loop {
            let mut watched = [PollFd::new(ring, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
            match poll(&mut watched, None) {
                Ok(_) | Err(Errno::INTR) => {}
                // The reader takes them itself, then.
                Err(error) => return tracing::warn!("no events as they come: {error}"),
            }
            let [ring, stop] = watched.map(|fd| fd.revents());
            if !stop.is_empty() {
                return;
            }
            if !ring.is_empty() {
                let mut queue = self.lock();
                queue.fill();
                self.ring_bell(!queue.events.is_empty());
            }
        }
    }

    /// With the queue locked, so that the bell agrees with the queue.
    fn ring_bell(&self, events: bool) {
        // An error means that it is in that state already.
        let _ = match events {
            true => rustix::io::write(&self.bell, &1_u64.to_ne_bytes()),
            false => rustix::io::read(&self.bell, &mut [0; 8]),
        };
    }
}

impl Queue {
    /// Takes the events in the ring buffer.
    fn fill(&mut self) {
        for _ in 0..AT_A_TIME {
            let Some(item) = self.ring.next() else { return };
            let Some(event) = decode(&item) else {
                tracing::warn!("an event of {} bytes is not one of ours", item.len());
                continue;
            };
            if self.events.len() < self.most {
                self.events.push_back(Arrived { event, seen: monotonic() });
            } else {
                self.lost = self.lost.saturating_add(1);
            }
        }
    }
}

/// Puts this thread before all that isn't of the real-time class, which it can be: it does
/// next to nothing and then sleeps. Niceness alone counts for little where each session or
/// cgroup has a share of its own (sched_autogroup, the cpu controller).
fn go_first() -> Result<(), Errno> {
    let least = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter lives through the call, which concerns this thread alone.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const least) } {
        0 => Ok(()),
        _ => Err(Errno::PERM),
    }
}

/// An event out of the ring buffer's bytes.
fn decode(bytes: &[u8]) -> Option<Event> {
    if bytes.len() != size_of::<Event>() {
        return None;
    }
    // SAFETY: the length is right, `Event` is plain data of which every bit pattern is
    // a value, and the read doesn't ask for alignment.
    Some(unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_another_size_is_none() {
        let bytes = [1; size_of::<Event>()];
        assert_eq!(decode(&bytes).map(|event| event.kind), Some(0x0101_0101));
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(&[]), None);
    }
}
