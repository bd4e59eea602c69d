//! Where samples come from: the live host, a recording, a simulation.

pub mod live;

use std::time::Duration;

use anyhow::Result;

use crate::sample::{Sample, VmId};

/// Gives one [`Sample`] after the other.
pub trait Source: Send {
    /// Reads everything once. `detail`: the VM whose threads should be read too.
    fn sample(&mut self, detail: Option<VmId>) -> Result<Sample>;

    /// Passes the time until the next sample, and attends to what can't wait for it
    /// (a VM that just appeared must be known at once, or its first events are lost).
    fn attend(&mut self, timeout: Duration) {
        std::thread::park_timeout(timeout);
    }
}
