//! The loop: sample, derive, publish. One writer, many readers; the newest snapshot
//! wins, and a slow reader never delays the loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::model::Snapshot;
use crate::sample::VmId;

/// What a reader may ask of the loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    pub interval: Duration,
    /// The VM whose threads should be read too.
    pub detail: Option<VmId>,
    /// The loop ends when this turns true.
    pub stop: bool,
}

/// What the loop has to show.
#[derive(Clone, Debug, Default)]
pub enum Latest {
    /// Nothing yet.
    #[default]
    Starting,
    Snapshot(Arc<Snapshot>),
    /// The loop ended with this error; there will be no more.
    Failed(Arc<str>),
}

/// A reader's end of the loop.
#[derive(Clone, Debug)]
pub struct Handle {
    pub latest: watch::Receiver<Latest>,
    pub control: Arc<watch::Sender<Control>>,
}
