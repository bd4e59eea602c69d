//! Carries out requests, each on a thread: any call may hang.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use memtrace_host::protocol::{Ask, Request, Said};

use crate::channel::{Channel, Received};
use crate::daemons::{Daemons, Place};
use crate::domains;

/// Most calls at once: more than memtrace has under way.
const MOST: usize = 64;

#[derive(Debug)]
pub(crate) struct Requests {
    channel: Arc<Channel>,
    daemons: Daemons,
    under_way: Arc<AtomicUsize>,
}

/// Counts as long as it is there.
struct Turn(Arc<AtomicUsize>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Requests {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self::of(channel, Daemons::default())
    }

    pub(crate) fn of(channel: Arc<Channel>, daemons: Daemons) -> Self {
        // Its default is to print each error to stderr.
        virt::error::clear_error_callback();
        Self { channel, daemons, under_way: Arc::default() }
    }

    /// Until memtrace closes the channel.
    ///
    /// # Errors
    /// When what comes is no request.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        let mut received = Received::default();
        while self.channel.receive(&mut received)? {
            while let Some(request) = received.request()? {
                self.begin(request, &mut received);
            }
        }
        Ok(())
    }

    fn begin(&mut self, request: Request, received: &mut Received) {
        let Request { id, daemon, ask } = request;
        let said = match ask {
            Ask::Open { session } => match received.socket() {
                Some(socket) => {
                    self.daemons.open(daemon, Place::Socket(socket, session));
                    Said::Done
                }
                None => Said::Failed("no socket came with the request".to_owned()),
            },
            Ask::Close => {
                self.daemons.close(daemon);
                Said::Done
            }
            ask => match self.hand_over(id, daemon, ask) {
                Ok(()) => return,
                Err(why) => Said::Failed(why),
            },
        };
        self.channel.answer(id, said);
    }

    fn hand_over(&self, id: u64, daemon: u32, ask: Ask) -> Result<(), String> {
        let daemon = self.daemons.get(daemon).ok_or("no such daemon")?;
        let turn = Turn(Arc::clone(&self.under_way));
        if turn.0.fetch_add(1, Ordering::Relaxed) >= MOST {
            return Err("too many calls are under way".to_owned());
        }
        let channel = Arc::clone(&self.channel);
        let run = move || {
            let said = catch_unwind(AssertUnwindSafe(|| domains::answer(&daemon, &ask)));
            let said = said.unwrap_or_else(|_| Said::Failed("internal error".to_owned()));
            drop(turn);
            channel.answer(id, said);
        };
        let thread = thread::Builder::new().name("libvirt".to_owned()).spawn(run);
        thread.map(drop).map_err(|error| format!("cannot start a thread: {error}"))
    }
}

#[cfg(test)]
mod tests;
