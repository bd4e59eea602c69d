//! The messages between the sampling loop and its readers.

use std::sync::Arc;
use std::time::Duration;

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
    /// What it showed has ended, for this reason; it waits for the next.
    Waiting(Arc<str>),
    /// The loop ended with this error; there will be no more.
    Failed(Arc<str>),
}
