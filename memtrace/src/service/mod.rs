//! What runs as long as memtrace does: the loop that samples and decides, what plays a recording
//! in its place, and those who read along.

pub mod alert;
pub mod hook;
pub mod metrics;
pub mod player;
pub mod policy;
pub mod sampling;
pub mod terminal;
pub mod view_input;
