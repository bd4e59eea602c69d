//! Where samples come from: the live host, a recording, a simulation.

use std::time::Duration;

use anyhow::Result;

use crate::sample::{Sample, VmId};
use crate::units::Nanos;

/// Gives one [`Sample`] after the other.
pub trait Source: Send {
    /// Reads everything once. `detail`: the VM whose threads should be read too.
    fn sample(&mut self, detail: Option<VmId>) -> Result<Sample>;

    /// Passes the time until the next sample, and handles what can't wait for it
    /// (a VM that just appeared must be known at once, or its first events are lost).
    /// Returns early when memory pressure begins.
    fn wait(&mut self, timeout: Duration) -> Option<Pressure>;
}

/// Memory pressure begins or continues, according to one sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    pub sign: Sign,
    /// When it showed, on the monotonic clock.
    pub at: Nanos,
}

/// What shows pressure before a sample does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// kswapd woke: the host is under its low watermark.
    Kswapd,
    DirectReclaim,
    /// By or for a VM.
    MemcgReclaim,
    /// A VM's thread waited long for reclaim.
    LongStall,
    OomKill,
    /// Tasks stalled, says the kernel's own measure (PSI).
    Psi,
}

impl Sign {
    /// For a log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kswapd => "kswapd",
            Self::DirectReclaim => "direct reclaim",
            Self::MemcgReclaim => "cgroup reclaim",
            Self::LongStall => "long stall",
            Self::OomKill => "OOM kill",
            Self::Psi => "PSI",
        }
    }
}
