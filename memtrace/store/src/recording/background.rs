//! A recorder on a thread of its own, so that the caller never waits for the disk. When the disk is
//! too slow, samples are left out; when it is nearly full, recording ends.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Record, Recorder};
use memtrace_core::reactor::Reaction;
use memtrace_core::sample::Sample;
use memtrace_core::units::Bytes;

/// What stays free on the disk: the journal may be there, and without it nothing is done.
const SPARE: Bytes = Bytes(256 << 20);
/// Moments that may wait. One of 100 VMs has about a megabyte.
const WAITING: usize = 16;

#[derive(Debug)]
pub struct BackgroundRecorder {
    /// `None`: it ends.
    moments: Option<SyncSender<(Arc<Sample>, Reaction)>>,
    thread: Option<JoinHandle<()>>,
    /// The loss of moments was reported.
    told: bool,
}

impl BackgroundRecorder {
    /// # Errors
    /// When no thread can be started.
    pub fn start(recorder: Recorder) -> io::Result<Self> {
        Self::sparing(recorder, SPARE)
    }

    /// The same, leaving this much disk space free.
    pub(super) fn sparing(recorder: Recorder, spare: Bytes) -> io::Result<Self> {
        let (moments, incoming) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("recording".into()).spawn(move || {
            if let Err(error) = write(recorder, &incoming, spare) {
                tracing::error!("recording ended; everything before is readable: {error}");
            }
        })?;
        Ok(Self { moments: Some(moments), thread: Some(thread), told: false })
    }
}

impl memtrace_core::reactor::Recorder for BackgroundRecorder {
    /// Keeps what was read and what was made of it. Never waits: what there is no room for is
    /// left out, which is told once.
    fn keep(&mut self, sample: &Arc<Sample>, reaction: &Reaction) {
        let Some(moments) = &self.moments else { return };
        match moments.try_send((Arc::clone(sample), reaction.clone())) {
            // The thread has told why it ended.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) if self.told => {}
            Err(TrySendError::Full(_)) => {
                self.told = true;
                tracing::warn!("the disk is too slow for the recording: samples are left out");
            }
        }
    }
}

impl Drop for BackgroundRecorder {
    /// Waits until everything is in the file.
    fn drop(&mut self) {
        self.moments = None;
        // A panic has its own message.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write(
    mut recorder: Recorder,
    moments: &Receiver<(Arc<Sample>, Reaction)>,
    spare: Bytes,
) -> io::Result<()> {
    while let Ok((sample, reaction)) = moments.recv() {
        let room = recorder.room()?;
        if room < spare {
            recorder.close()?;
            let text = format!("only {} MiB are free on its disk", room.0 >> 20);
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        let sample = Arc::unwrap_or_clone(sample);
        recorder.push(Record { sample, reaction: Some(reaction) })?;
    }
    recorder.close().map(drop)
}
