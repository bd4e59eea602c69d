//! Long-running parts: the sampling loop with the reactor, the player of recordings, and their
//! subscribers.

pub(crate) mod alert;
pub(crate) mod hook;
pub(crate) mod live;
pub(crate) mod manager;
pub(crate) mod metrics;
pub(crate) mod player;
pub(crate) mod policy;
pub(crate) mod samples;
pub mod sampling;
pub(crate) mod terminal;
pub(crate) mod view_input;
