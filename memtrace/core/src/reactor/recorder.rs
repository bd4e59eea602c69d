//! Who keeps what was read and decided.

use std::sync::Arc;

use crate::sample::Sample;

use super::Reaction;

/// Records samples with what was made of them.
pub trait Recorder: Send {
    /// Keeps one. Never waits: what there is no room for is left out.
    fn keep(&mut self, sample: &Arc<Sample>, reaction: &Reaction);
}
