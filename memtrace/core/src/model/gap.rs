//! Why a number cannot be computed from two samples. Holds the wording, so that the same gap
//! reads the same in every column.

use crate::model::Measured;

/// A reason for the absence of a rate or a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// There is no previous sample.
    FirstSample,
    /// The monotonic clock did not advance between the samples.
    NoTime,
    /// The VM was not in the previous sample.
    NewVm,
    /// Another process ran under this identity in the previous sample.
    Restarted,
    /// The thread was not in the previous sample.
    NewThread,
    /// Missing in this sample.
    NotRead,
    /// Missing in the previous sample.
    NotReadBefore,
    /// The total is below that of the previous sample.
    RanBackwards,
    /// The kernel side is loaded and has no slot for this VM.
    NotCounted,
    /// The kernel side had no slot for this VM at the previous sample.
    NotCountedBefore,
}

impl Gap {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::FirstSample => "a rate needs two samples, and this is the first",
            Self::NoTime => "no time passed between the two samples",
            Self::NewVm => "this VM was first seen in this interval",
            Self::Restarted => "this VM was restarted in this interval",
            Self::NewThread => "this thread was first seen in this interval",
            Self::NotRead => "not read this time",
            Self::NotReadBefore => "not read the time before",
            Self::RanBackwards => "its counter was reset in this interval",
            Self::NotCounted => "the kernel side does not count this VM",
            Self::NotCountedBefore => "the kernel side began to count this VM in this interval",
        }
    }
}

impl<T> From<Gap> for Measured<T> {
    fn from(gap: Gap) -> Self {
        Self::absent(gap.reason())
    }
}
