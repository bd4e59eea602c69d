//! A moment that somebody typed. Pure: what time it is, is given.

use anyhow::{Context, Result, ensure};
use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp, Zoned};

use memtrace_core::units::WallNanos;

/// Reads `14:05` (today, or yesterday if that is still to come), `2026-11-23 14:05:30` (both
/// of `now`'s time zone), a moment with its offset (RFC 3339), or `5m`, so long ago.
///
/// # Errors
/// When it is none of these, or lies in the future.
pub(super) fn parse(text: &str, now: &Zoned) -> Result<WallNanos> {
    let text = text.trim();
    let moment = absolute(text, now).or_else(|| ago(text, now)).with_context(|| {
        format!("no moment: {text:?}; 14:05, \"2026-11-23 14:05:30\" and 5m (ago) are some")
    })?;
    ensure!(moment <= now.timestamp(), "{text:?} is still to come");
    let nanos = u64::try_from(moment.as_nanosecond()).context("before 1970")?;
    Ok(WallNanos(nanos))
}

fn absolute(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let zone = now.time_zone().clone();
    // Before a time of day, which would be found in it.
    if let Ok(moment) = text.parse::<DateTime>() {
        return Some(moment.to_zoned(zone).ok()?.timestamp());
    }
    if let Ok(time) = text.parse::<Time>() {
        let today = now.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
        if today <= *now {
            return Some(today.timestamp());
        }
        let yesterday = now.date().yesterday().ok()?.to_datetime(time);
        return Some(yesterday.to_zoned(zone).ok()?.timestamp());
    }
    None
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let duration: SignedDuration = text.parse().ok()?;
    now.timestamp().checked_sub(duration.abs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let now: Zoned = "2026-11-23T12:30:00[UTC]".parse().expect("it is a moment");
        let WallNanos(nanos) = parse(text, &now).ok()?;
        let moment = Timestamp::from_nanosecond(i128::from(nanos)).expect("it is one");
        Some(moment.to_string())
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        for (text, moment) in [
            ("12:05", "2026-11-23T12:05:00Z"),
            ("12:05:30", "2026-11-23T12:05:30Z"),
            ("23:00", "2026-11-22T23:00:00Z"),
            ("2026-11-01 08:00", "2026-11-01T08:00:00Z"),
            ("2026-11-01T08:00:00+01:00", "2026-11-01T07:00:00Z"),
            ("5m", "2026-11-23T12:25:00Z"),
            ("1h30m", "2026-11-23T11:00:00Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_of_the_past_is_refused() {
        for text in ["", "soon", "25:00", "2027-01-01 00:00", "-", "1e99s", "1960-01-01 00:00"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
