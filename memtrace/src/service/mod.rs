//! Long-running parts: the sampling loop with the reactor, the player of recordings, and their
//! subscribers.

pub mod alert;
pub mod hook;
pub mod live;
pub mod metrics;
pub mod player;
pub mod policy;
pub mod sampling;
pub mod terminal;
pub mod view_input;
