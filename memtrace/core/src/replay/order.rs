//! What a view may ask of a recording that is played, and what it is told. Pure.

use std::sync::Arc;

use crate::units::WallNanos;

/// What is asked. All but [`Order::Play`] have it stand still where they lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on by itself, or stand still.
    Play(bool),
    /// One moment on.
    Next,
    /// One moment back.
    Back,
    /// By so many seconds, back if negative.
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
    /// There is nothing after what is shown.
    pub ended: bool,
    pub finding: Option<Mark>,
    /// What came of the last order, if that is not to be seen.
    pub remark: Option<Arc<str>>,
    /// What of the recording could not be read, as far as it was seen.
    pub losses: Arc<[String]>,
}
