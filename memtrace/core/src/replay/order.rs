//! Commands of a view to the player of a recording, and its answers. Pure.

use std::sync::Arc;

use crate::units::WallNanos;

/// A command. All but [`Order::Play`] pause playback at their target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Play or pause.
    Play(bool),
    /// One moment on.
    Next,
    /// One moment back.
    Back,
    /// By this many seconds, back if negative.
    Jump(i64),
    /// To the moment in which this time falls.
    Go(WallNanos),
    /// On to the next of these.
    Find(Mark),
}

/// What can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Something was done or would have been.
    Decision,
    /// An alert begins, by the rules of the configuration.
    Alert,
}

impl Mark {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Alert => "alert",
        }
    }
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub playing: bool,
    /// The record shown is the last.
    pub ended: bool,
    pub finding: Option<Mark>,
    /// The outcome of the last order, if it can't be seen otherwise.
    pub remark: Option<Arc<str>>,
    /// What of the recording could not be read, as far as it was seen.
    pub losses: Arc<[String]>,
}
