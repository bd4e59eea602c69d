//! Quantities with their unit in the type, so that no bare `u64` crosses a module.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::fmt::friendly::{Designator, FractionalUnit, Spacing, SpanPrinter};
use jiff::{Span, SpanRelativeTo, SpanRound, Unit};
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

const YEAR: Nanos = Nanos(365 * 86_400 * Nanos::SECOND.0);

impl Nanos {
    pub const SECOND: Self = Self(1_000_000_000);

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// A number of seconds without a unit, with a decimal point or comma: `5`, `0.5`, `0,5`.
    /// `None`: it is no such number.
    pub fn of_seconds(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')) {
            return None;
        }
        let length = Duration::try_from_secs_f64(text.replace(',', ".").parse().ok()?).ok()?;
        u64::try_from(length.as_nanos()).ok().map(Self)
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

    /// A size with its unit, in powers of 1024: `512MiB`, `1.5 GiB`, `16GB`, or `16G` as in QEMU's
    /// `-m`.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let scale = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("KB", 1 << 10),
            ("MB", 1 << 20),
            ("GB", 1 << 30),
            ("TB", 1 << 40),
            ("K", 1 << 10),
            ("M", 1 << 20),
            ("G", 1 << 30),
            ("T", 1 << 40),
        ];
        let wanted = "a size with unit K, M, G or T (MB and MiB are M), as in \"512MiB\"";
        with_unit(text, &scale).map(Self).ok_or(Unreadable { wanted })
    }
}

impl FromStr for Nanos {
    type Err = Unreadable;

    /// A duration, the largest unit first: `500ms`, `5s`, `3min` or `3m`, `1h30min`, `7d`, `1w`; or
    /// a number of seconds, `5` or `0.5`. Days have 24 hours. At most 100 years.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wanted = "a duration such as 500ms, 5s, 3min, 1h30min, 7d or 5 (seconds)";
        let nanos = Self::of_seconds(text).or_else(|| duration(text).map(Self));
        nanos.filter(|nanos| nanos.0 <= 100 * YEAR.0).ok_or(Unreadable { wanted })
    }
}

/// As typed, and read by [`Nanos::from_str`]: `500ms`, `1h30min`, `30d`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = SpanRound::new().largest(Unit::Day).days_are_24_hours();
        let span = i64::try_from(self.0).ok().and_then(|nanos| {
            Span::new().try_nanoseconds(nanos).and_then(|span| span.round(days)).ok()
        });
        let Some(span) = span else { return write!(f, "{}ns", self.0) };
        let is_short = (1..Self::SECOND.0).contains(&self.0);
        let parts = if is_short { FractionalUnit::Millisecond } else { FractionalUnit::Second };
        let printer = SpanPrinter::new().spacing(Spacing::None).designator(Designator::Compact);
        let text = printer.fractional(Some(parts)).span_to_string(&span);
        // The library writes a minute as `m`; of milliseconds there are none beside it.
        f.write_str(&if is_short { text } else { text.replace('m', "min") })
    }
}

/// In nanoseconds.
fn duration(text: &str) -> Option<u64> {
    // The library reads `12:30:00`, signs and `PT5M` too.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | ' ');
    if !text.chars().all(plain) {
        return None;
    }
    let span: Span = text.trim().parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    u64::try_from(length.as_nanos()).ok()
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
    fn sizes_have_their_unit() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("1.5 GiB", 3 << 29),
            ("0KiB", 0),
            ("512M", 512 << 20),
            ("1.5 G", 3 << 29),
            ("2G", 2 << 30),
            ("2GB", 2 << 30),
            ("2GiB", 2 << 30),
            ("16 KB", 16 << 10),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in
            ["512", "512B", "512Mi", "512m", "-1MiB", "MiB", "1.2.3MiB", "1e9TiB", "99999TiB", ""]
        {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_has_one_grammar() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("5s", 5_000),
            ("1.5s", 1_500),
            ("3min", 180_000),
            ("3m", 180_000),
            (" 3 min ", 180_000),
            ("1h30min", 5_400_000),
            ("1h 30min", 5_400_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("5", 5_000),
            (" 0.5 ", 500),
            ("0,5", 500),
        ] {
            assert_eq!(text.parse(), Ok(Nanos(millis * 1_000_000)), "{text}");
        }
        for text in [
            "",
            ".",
            "1,2,3",
            "99999999999",
            "s",
            "soon",
            "-5s",
            "+5s",
            "5m ago",
            "30m1h",
            "1mo",
            "1y",
            "5M",
            "PT5M",
            "12:30:00",
            "9999999w",
            "1e3s",
            "1.2.3s",
        ] {
            let told = text.parse::<Nanos>().expect_err(text).to_string();
            assert!(told.contains("500ms, 5s, 3min, 1h30min, 7d or 5 (seconds)"), "{text}: {told}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_typed() {
        for (text, nanos) in [
            ("0s", 0),
            ("500ms", 500_000_000),
            ("0.5ms", 500_000),
            ("1.5s", 1_500_000_000),
            ("1h30min", 5_400_000_000_000),
            ("30d", 2_592_000_000_000_000),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[0-9.]{0,30} ?(MiB|TiB|s|h|x|)") {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Nanos>();
        }

        #[test]
        fn a_written_duration_is_read_again(nanos in 0..100 * YEAR.0) {
            proptest::prop_assert_eq!(Nanos(nanos).to_string().parse(), Ok(Nanos(nanos)));
        }
    }
}
