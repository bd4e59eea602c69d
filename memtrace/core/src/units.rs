//! Quantities with their unit in the type, so that no bare `u64` crosses a module.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty), $unit:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        // The field that has the unit is to describe itself.
        #[schemars(inline, description = "", extend("unit" = $unit))]
        pub struct $name(pub $inner);
    };
}

quantity!(
    /// An amount of memory, in bytes.
    #[derive(Eq, Ord, Hash)]
    Bytes(u64), "bytes"
);
quantity!(
    /// An amount of memory in base pages of the host.
    #[derive(Eq, Ord, Hash)]
    Pages(u64), "pages of the host"
);
quantity!(
    /// A duration, or a point on the monotonic clock, in nanoseconds.
    #[derive(Eq, Ord, Hash)]
    Nanos(u64), "nanoseconds"
);
quantity!(
    /// A point in time, in nanoseconds since the Unix epoch.
    #[derive(Eq, Ord, Hash)]
    WallNanos(u64), "nanoseconds since 1970-01-01 (UTC)"
);
quantity!(
    /// Events per second.
    Rate(f64), "per second"
);
quantity!(
    /// Bytes per second.
    ByteRate(f64), "bytes per second"
);
quantity!(
    /// Per cent: 100 is all of it. May go over 100 where several threads wait at once.
    Percent(f64), "per cent"
);

/// A limit on memory.
///
/// The order is from tight to loose.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The limit.
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

/// Text that is no quantity, by what is wanted in its place: words that follow "must be".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub wanted: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be {}", self.wanted)
    }
}

impl std::error::Error for Unreadable {}

impl FromStr for Bytes {
    type Err = Unreadable;

    /// A size with its unit, in powers of 1024: `512MiB`, `1.5 GiB`, or `16G` as in QEMU's `-m`.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let scale = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("K", 1 << 10),
            ("M", 1 << 20),
            ("G", 1 << 30),
            ("T", 1 << 40),
        ];
        let wanted = "a size with unit K, M, G or T (KiB, MiB, GiB, TiB), as in \"512MiB\"";
        with_unit(text, &scale).map(Self).ok_or(Unreadable { wanted })
    }
}

impl FromStr for Nanos {
    type Err = Unreadable;

    /// A duration with its unit: `500ms`, `5s`, `2min`, `1h`.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let second = Self::SECOND.0;
        let scale =
            [("ms", second / 1000), ("s", second), ("min", 60 * second), ("h", 3600 * second)];
        let wanted = "a duration with its unit (ms, s, min, h), as in \"5s\"";
        with_unit(text, &scale).map(Self).ok_or(Unreadable { wanted })
    }
}

/// A number, not negative, and a unit of `scale`.
fn with_unit(text: &str, scale: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = scale.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number: f64 = number.parse().ok()?;
    let amount = number * *factor as f64;
    // Beyond 2^53 a float has no whole numbers to speak of.
    (amount < (1_u64 << 53) as f64).then_some(amount.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_their_unit() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("1.5 GiB", 3 << 29),
            ("0KiB", 0),
            ("512M", 512 << 20),
            ("1.5 G", 3 << 29),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in
            ["512", "512MB", "512Mi", "512m", "-1MiB", "MiB", "1.2.3MiB", "1e9TiB", "99999TiB", ""]
        {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for (text, millis) in [("500ms", 500), ("5s", 5_000), ("2min", 120_000)] {
            assert_eq!(text.parse(), Ok(Nanos(millis * 1_000_000)), "{text}");
        }
        assert!("5m".parse::<Nanos>().is_err(), "minutes or milliseconds?");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[0-9.]{0,30} ?(MiB|TiB|s|h|x|)") {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Nanos>();
        }
    }
}
