//! The interface to a recorder of samples and reactions.

use std::sync::Arc;

use crate::sample::Sample;

use super::Reaction;

/// Records samples with their reactions.
pub trait Recorder: Send {
    /// Records a step. Never waits: it is left out when there is no room.
    fn keep(&mut self, sample: &Arc<Sample>, reaction: &Reaction);
}
