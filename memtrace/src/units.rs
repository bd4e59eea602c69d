//! Quantities with their unit in the type, so that no bare `u64` crosses a module.

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

quantity!(
    /// An amount of memory, in bytes.
    #[derive(Eq, Ord, Hash)]
    Bytes(u64)
);
quantity!(
    /// An amount of memory in base pages of the host.
    #[derive(Eq, Ord, Hash)]
    Pages(u64)
);
quantity!(
    /// A duration, or a point on the monotonic clock, in nanoseconds.
    #[derive(Eq, Ord, Hash)]
    Nanos(u64)
);
quantity!(
    /// A point in time, in nanoseconds since the Unix epoch.
    #[derive(Eq, Ord, Hash)]
    WallNanos(u64)
);
quantity!(
    /// Events per second.
    Rate(f64)
);
quantity!(
    /// Bytes per second.
    ByteRate(f64)
);
quantity!(
    /// Per cent: 100 is all of it. May go over 100 where several threads wait at once.
    Percent(f64)
);

/// A limit on memory. The order is from tight to loose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    At(Bytes),
    Unlimited,
}

impl Bytes {
    /// From KiB, as /proc gives them; saturates.
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib.saturating_mul(1024))
    }

    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This amount as a share of `whole`; `None` when `whole` is nothing.
    pub fn share_of(self, whole: Self) -> Option<Percent> {
        (whole.0 > 0).then(|| Percent(self.0 as f64 * 100.0 / whole.0 as f64))
    }
}

impl Pages {
    /// In bytes, for a page size in bytes; saturates.
    pub const fn bytes(self, page_size: Bytes) -> Bytes {
        Bytes(self.0.saturating_mul(page_size.0))
    }
}

impl Nanos {
    pub const SECOND: Self = Self(1_000_000_000);

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
