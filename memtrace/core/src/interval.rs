//! The interval between two samples, as it is typed. Pure.

use std::time::Duration;

use crate::units::Nanos;

/// Below, memtrace would mostly measure itself.
pub const SHORTEST: Nanos = Nanos(100_000_000);
pub const LONGEST: Nanos = Nanos(60 * Nanos::SECOND.0);

/// Parses a duration, or a number of seconds: `500ms`, `2s`, `2`, `0.5`.
///
/// # Errors
/// What is allowed, when it is neither or out of range.
pub fn parse(text: &str) -> Result<Duration, String> {
    let nanos = text.parse::<Nanos>().ok();
    nanos
        .filter(|nanos| (SHORTEST..=LONGEST).contains(nanos))
        .map(|nanos| Duration::from_nanos(nanos.0))
        .ok_or_else(|| {
            format!(
                "not an interval from {SHORTEST} to {LONGEST}, such as 500ms, 2s or 2 (seconds)"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        for (text, millis) in [
            ("2", 2000),
            ("0.5", 500),
            ("0,5", 500),
            (" 250ms ", 250),
            ("60s", 60_000),
            ("1min", 60_000),
            ("0.1", 100),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["0.09", "99ms", "61", "1h", "-1", "nan", "inf", "1e300", "", "soon"] {
            let told = parse(text).expect_err(text);
            assert!(told.contains("from 100ms to 1m"), "{text}: {told}");
        }
    }
}
