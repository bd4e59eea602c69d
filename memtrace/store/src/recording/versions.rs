//! The frames of whatever version of the format: one decoder for each.

use super::{Moment, VERSION, batch, version_1};
use memtrace_core::units::WallNanos;

/// Reads the frames of a file, one after the other.
#[derive(Debug)]
pub(super) enum Decoder {
    First(version_1::Decoder, version_1::Payload),
    Present(Box<batch::Decoder>, batch::Payload),
}

impl Decoder {
    /// `None`: of a newer memtrace.
    pub(super) fn of(version: u32) -> Option<Self> {
        match version {
            1 => Some(Self::First(version_1::Decoder::default(), version_1::Payload::default())),
            VERSION => Some(Self::Present(Box::default(), batch::Payload::default())),
            _ => None,
        }
    }

    /// Forgets what was before, as a frame that begins anew does.
    pub(super) fn reset(&mut self) {
        match self {
            Self::First(decoder, payload) => {
                (*decoder, *payload) = Default::default();
            }
            Self::Present(decoder, payload) => {
                (**decoder, *payload) = Default::default();
            }
        }
    }

    /// Whether these bytes are a frame with so many moments.
    pub(super) fn enter(&mut self, bytes: Vec<u8>, moments: usize) -> bool {
        let left = match self {
            Self::First(_, payload) => version_1::Payload::new(bytes).map(|entered| {
                *payload = entered;
                payload.left
            }),
            Self::Present(_, payload) => batch::Payload::new(bytes).map(|entered| {
                *payload = entered;
                payload.left
            }),
        };
        left == Some(moments)
    }

    /// Moments of the frame that were not read yet.
    pub(super) const fn left(&self) -> usize {
        match self {
            Self::First(_, payload) => payload.left,
            Self::Present(_, payload) => payload.left,
        }
    }

    /// The next one, made only if it is wanted at its time. `None`: it is damaged.
    pub(super) fn next_if(&mut self, wanted: impl Fn(WallNanos) -> bool) -> Option<Option<Moment>> {
        match self {
            Self::First(decoder, payload) => decoder.next_if(payload, wanted),
            Self::Present(decoder, payload) => decoder.next_if(payload, wanted),
        }
    }
}
