//! Sends each sample of the loop to those who read it. The loop waits for none of them: a reader
//! that is too slow is dropped.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::service::metrics::listen::{Listener, Stream};
use memtrace_core::sample::Sample;
use memtrace_host::clock;
use memtrace_store::recording::{Origin, Outgoing, Record, greeting};

/// Readers at a time; one more is refused.
const MOST: usize = 16;
/// Frames that may wait for a reader, besides what its socket holds.
const WAITING: usize = 4;
/// Time limit of sending a frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, usually for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

type Frame = Arc<[u8]>;

/// This process as the origin of samples. `command`: the one that it runs.
pub(crate) fn origin(command: &str) -> Origin {
    Origin {
        command: command.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        since: clock::wall(),
    }
}

/// Serves until the loop ends, or this is dropped.
pub(crate) async fn serve(
    listener: Listener,
    origin: Origin,
    mut samples: watch::Receiver<Option<Arc<Sample>>>,
) {
    let mut server = match Server::new(&origin) {
        Ok(server) => server,
        Err(error) => return tracing::error!("samples are not served: {error:#}"),
    };
    loop {
        let done = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => server.admit(stream).await,
                Err(error) => {
                    tracing::debug!("cannot accept a reader of samples: {error}");
                    sleep(PAUSE).await;
                    Ok(())
                }
            },
            changed = samples.changed() => {
                if changed.is_err() {
                    return;
                }
                let newest = samples.borrow_and_update().clone();
                match newest {
                    Some(sample) => server.pass(sample).await,
                    None => Ok(()),
                }
            }
        };
        if let Err(error) = done {
            tracing::warn!("a sample is left out for its readers: {error:#}");
        }
    }
}

/// The readers, and what they are sent.
#[derive(Debug)]
struct Server {
    greeting: Frame,
    outgoing: Outgoing,
    /// The last two samples, for rates at once.
    last: Vec<Arc<Sample>>,
    /// Both in a frame, once somebody has asked for it since they were taken.
    first: Option<Frame>,
    readers: Vec<Reader>,
}

#[derive(Debug)]
struct Reader {
    frames: mpsc::Sender<Frame>,
    task: AbortHandle,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    fn new(origin: &Origin) -> Result<Self> {
        Ok(Self {
            greeting: greeting(origin)?.into(),
            outgoing: Outgoing::default(),
            last: Vec::new(),
            first: None,
            readers: Vec::new(),
        })
    }

    /// Sends a sample to all.
    ///
    /// # Errors
    /// When there can be no frame of it.
    async fn pass(&mut self, sample: Arc<Sample>) -> Result<()> {
        self.first = None;
        if self.last.len() > 1 {
            self.last.remove(0);
        }
        self.last.push(Arc::clone(&sample));
        self.readers.retain(|reader| !reader.task.is_finished());
        if self.readers.is_empty() {
            // What its memory holds is of no use any more.
            self.outgoing = Outgoing::default();
            return Ok(());
        }
        let outgoing = std::mem::take(&mut self.outgoing);
        let (outgoing, frame) = packed(outgoing, vec![sample]).await?;
        self.outgoing = outgoing;
        let frame: Frame = frame?.into();
        self.readers.retain(|reader| {
            let has_room = reader.frames.try_send(Arc::clone(&frame)).is_ok();
            if !has_room {
                tracing::debug!("a reader of samples was dropped: it is too slow");
            }
            has_room
        });
        Ok(())
    }

    /// A new reader gets the last two samples at once, if there is room for it.
    ///
    /// # Errors
    /// When there can be no frame of them.
    async fn admit(&mut self, mut stream: impl Stream + 'static) -> Result<()> {
        self.readers.retain(|reader| !reader.task.is_finished());
        if self.readers.len() >= MOST {
            tracing::debug!("a reader of samples was refused: there are {MOST}");
            // Whom it was refused by. A new socket has room for it; whoever is gone misses nothing.
            let _ = timeout(PAUSE, stream.write_all(&self.greeting)).await;
            return Ok(());
        }
        if self.first.is_none() && !self.last.is_empty() {
            let (_, frame) = packed(Outgoing::default(), self.last.clone()).await?;
            self.first = Some(frame?.into());
        }
        let (frames, waiting) = mpsc::channel(WAITING);
        for frame in [Some(&self.greeting), self.first.as_ref()].into_iter().flatten() {
            // There is room for both.
            let _ = frames.try_send(Arc::clone(frame));
        }
        let task = tokio::spawn(feed(stream, waiting)).abort_handle();
        self.readers.push(Reader { frames, task });
        // It doesn't know the frames of the others.
        self.outgoing.restart();
        Ok(())
    }
}

/// A frame of these samples, made aside: those of thousands of VMs take their time.
async fn packed(
    mut outgoing: Outgoing,
    samples: Vec<Arc<Sample>>,
) -> Result<(Outgoing, Result<Vec<u8>>)> {
    let packing = tokio::task::spawn_blocking(move || {
        let record = |sample| Record { sample: Arc::unwrap_or_clone(sample), reaction: None };
        let frame = outgoing.frame(samples.into_iter().map(record).collect());
        (outgoing, frame.map_err(Into::into))
    });
    packing.await.context("internal error: packing a sample panicked")
}

/// Sends what comes, until the reader is gone. One that says something is cut: nothing that it says
/// is read.
async fn feed(mut stream: impl Stream, mut frames: mpsc::Receiver<Frame>) {
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) => frame,
                None => return,
            },
            _ = stream.read_u8() => return,
        };
        if !matches!(timeout(PATIENCE, stream.write_all(&frame)).await, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
