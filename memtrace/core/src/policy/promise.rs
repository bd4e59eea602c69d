//! Memory that a VM was given and may still use: it isn't given to another VM meanwhile.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Nanos};

/// Promised memory that isn't used within this time counts as free again. On working seeds two
/// minutes move each sum of stall by less than 2 %.
const LASTS: Nanos = Nanos(60_000_000_000);
/// Memory given within this time counts as one gift, which bounds their number per VM.
const PART: Nanos = Nanos::SECOND;

/// What a VM was given, as far as it isn't used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Promises {
    /// Oldest first, with what was not used at the last one.
    gifts: Vec<(Nanos, Bytes)>,
    /// Its RSS at the last gift.
    rss: Option<Bytes>,
}

impl Promises {
    /// Gifts that haven't expired. Each expires by itself, or a VM that keeps asking would never
    /// free what it doesn't use. Growth of the RSS is charged to the oldest gifts first, expired or
    /// not.
    pub(super) fn open(
        &self,
        at: Nanos,
        rss: Option<Bytes>,
    ) -> impl Iterator<Item = (Nanos, Bytes)> {
        let mut used = rss.zip(self.rss).map_or(Bytes(0), |(now, then)| now.saturating_sub(then));
        let lasts = move |(then, _): &(Nanos, Bytes)| at.saturating_sub(*then) < LASTS;
        let left = self.gifts.iter().map(move |&(then, bytes)| {
            let left = bytes.saturating_sub(used);
            used = used.saturating_sub(bytes);
            (then, left)
        });
        left.filter(lasts)
    }

    /// The last gift was not carried out.
    pub(super) fn take_back(&mut self, bytes: Bytes) {
        let Some((_, last)) = self.gifts.last_mut() else { return };
        *last = last.saturating_sub(bytes);
    }

    /// Notes what was given.
    pub fn add(&mut self, at: Nanos, rss: Option<Bytes>, bytes: Bytes) {
        let mut gifts: Vec<_> = self.open(at, rss).filter(|(_, left)| left.0 > 0).collect();
        match gifts.last_mut().filter(|(last, _)| last.0 / PART.0 == at.0 / PART.0) {
            Some((_, last)) => *last = last.saturating_add(bytes),
            None => gifts.push((at, bytes)),
        }
        *self = Self { gifts, rss };
    }
}
