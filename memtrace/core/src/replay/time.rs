//! Parses a typed time. Pure.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::units::{Nanos, WallNanos};

/// The point to which short forms refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relative {
    /// A position in a recording: `14:05` is on its day, `+10m` and `-1h` are offsets from it.
    Position,
    /// The present: `14:05` is the last one, `5m` is 5 minutes ago, and the future is refused.
    Present,
}

impl Relative {
    const fn forms(self) -> &'static str {
        match self {
            Self::Position => "14:05, '2026-11-23 14:05', +10min or -1h",
            Self::Present => "14:05, '2026-11-23 14:05:30', or 5min, 1h30min or 7d (ago)",
        }
    }

    fn wrong(self) -> String {
        format!("not a time such as {}", self.forms())
    }
}

/// Parses `14:05`, `14:05:30`, `2026-11-23 14:05`, `2026-11-23T14:05:30Z`, and offsets, as
/// `relative` to `now` says.
///
/// # Errors
/// The accepted forms when it is none of them; or that it lies in the future.
pub fn parse(
    text: &str,
    zone: &TimeZone,
    now: WallNanos,
    relative: Relative,
) -> Result<WallNanos, String> {
    let text = text.trim();
    let wrong = || relative.wrong();
    let now = Timestamp::from_nanosecond(i128::from(now.0)).map_err(|_| wrong())?;
    let absolute = || text.parse().ok().or_else(|| civil(text, zone, now, relative));
    let found = match text.as_bytes().first() {
        Some(b'+' | b'-') => offset(text, now),
        // Before it is a time: 10 alone would be one too, 10:00.
        _ if relative == Relative::Present && is_seconds(text) => ago(text, now),
        _ => absolute().or_else(|| ago(text, now).filter(|_| relative == Relative::Present)),
    };
    let found = found.ok_or_else(wrong)?;
    if relative == Relative::Present && found > now {
        return Err(format!("in the future; give a time such as {}", relative.forms()));
    }
    u64::try_from(found.as_nanosecond()).map(WallNanos).map_err(|_| wrong())
}

/// The begin of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long before its end.
    Before(Nanos),
    At(WallNanos),
}

impl Since {
    /// The begin of the period that ends at `end`.
    pub const fn begin(self, end: WallNanos) -> WallNanos {
        match self {
            Self::Before(length) => WallNanos(end.0.saturating_sub(length.0)),
            Self::At(begin) => begin,
        }
    }
}

/// Parses a duration, or a time of the past as [`parse`] does.
///
/// # Errors
/// The accepted forms when it is neither; or that it lies in the future.
pub fn since(text: &str, zone: &TimeZone, now: WallNanos) -> Result<Since, String> {
    match text.parse() {
        _ if Nanos::of_seconds(text).is_some() && !is_seconds(text) => {
            parse(text, zone, now, Relative::Present).map(Since::At)
        }
        Ok(Nanos(0)) => Err("must be greater than 0".to_owned()),
        Ok(length) => Ok(Since::Before(length)),
        Err(_) => parse(text, zone, now, Relative::Present).map(Since::At),
    }
}

/// Whether it is a number of seconds alone. One with 8 digits or more is a date, 20261123.
fn is_seconds(text: &str) -> bool {
    text.trim().len() < 8 && Nanos::of_seconds(text).is_some()
}

fn offset(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (sign, length) = text.split_at_checked(1)?;
    let length = duration(length)?;
    let length = if sign == "-" { -length } else { length };
    now.checked_add(length).ok()
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let length = text.strip_suffix("ago").unwrap_or(text);
    now.checked_sub(duration(length)?).ok()
}

fn duration(text: &str) -> Option<SignedDuration> {
    let Nanos(nanos) = text.parse().ok()?;
    i64::try_from(nanos).ok().map(SignedDuration::from_nanos)
}

fn civil(text: &str, zone: &TimeZone, now: Timestamp, relative: Relative) -> Option<Timestamp> {
    let instant = |when: DateTime| Some(when.to_zoned(zone.clone()).ok()?.timestamp());
    // First with a date: it would be a time as well, of another day.
    if let Ok(when) = text.parse::<DateTime>() {
        return instant(when);
    }
    let (day, time) = (now.to_zoned(zone.clone()).date(), text.parse::<Time>().ok()?);
    let today = instant(day.to_datetime(time))?;
    if relative == Relative::Present && today > now {
        return instant(day.checked_sub(1.day()).ok()?.to_datetime(time));
    }
    Some(today)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> WallNanos {
        let at: Timestamp = text.parse().expect("it is a time");
        WallNanos(u64::try_from(at.as_nanosecond()).expect("it is after 1970"))
    }

    #[test]
    fn a_position_in_a_recording_can_be_typed_in_many_ways() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let at = |text| parse(text, &zone, nanos("2026-11-23T12:00:00Z"), Relative::Position);
        for (text, found) in [
            ("14:05", "2026-11-23T13:05:00Z"),
            (" 14:05:30 ", "2026-11-23T13:05:30Z"),
            ("2026-11-22 00:10", "2026-11-21T23:10:00Z"),
            ("2026-11-22T00:10:00Z", "2026-11-22T00:10:00Z"),
            ("+10m", "2026-11-23T12:10:00Z"),
            ("-1h", "2026-11-23T11:00:00Z"),
            ("- 90s", "2026-11-23T11:58:30Z"),
            ("-1d", "2026-11-22T12:00:00Z"),
            ("+10", "2026-11-23T12:00:10Z"),
        ] {
            assert_eq!(at(text), Ok(nanos(found)), "{text}");
        }
        for text in ["", "+", "--1h", "soon", "25:00", "10m", "1969-01-01 00:00", "ä"] {
            assert_eq!(at(text), Err(Relative::Position.wrong()), "{text}");
        }
    }

    #[test]
    fn a_period_begins_at_a_time_or_before_its_end() {
        let now = nanos("2026-11-23T12:00:00Z");
        let begin = |text| since(text, &TimeZone::UTC, now).map(|since| since.begin(WallNanos(9)));
        let end = |text| since(text, &TimeZone::UTC, now).map(|since| since.begin(now));
        assert_eq!(begin("11:00"), Ok(nanos("2026-11-23T11:00:00Z")));
        assert_eq!(begin("1d"), Ok(WallNanos(0)));
        assert_eq!(end("1d"), Ok(nanos("2026-11-22T12:00:00Z")));
        assert_eq!(end("90"), Ok(nanos("2026-11-23T11:58:30Z")));
        assert_eq!(end("20261101"), Ok(nanos("2026-11-01T00:00:00Z")));
        for text in ["0s", "0", "soon", "", "2027-01-01 00:00"] {
            assert!(begin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_of_the_past_can_be_typed_in_many_ways() {
        let at =
            |text| parse(text, &TimeZone::UTC, nanos("2026-11-23T12:30:00Z"), Relative::Present);
        for (text, found) in [
            ("12:05", "2026-11-23T12:05:00Z"),
            ("12:05:30", "2026-11-23T12:05:30Z"),
            ("23:00", "2026-11-22T23:00:00Z"),
            ("2026-11-01 08:00", "2026-11-01T08:00:00Z"),
            ("2026-11-01T08:00:00+01:00", "2026-11-01T07:00:00Z"),
            ("5m", "2026-11-23T12:25:00Z"),
            ("-5m", "2026-11-23T12:25:00Z"),
            ("5m ago", "2026-11-23T12:25:00Z"),
            ("1h30m", "2026-11-23T11:00:00Z"),
            ("90 min", "2026-11-23T11:00:00Z"),
            ("1d", "2026-11-22T12:30:00Z"),
            ("2w ago", "2026-11-09T12:30:00Z"),
            ("10", "2026-11-23T12:29:50Z"),
            ("20261101", "2026-11-01T00:00:00Z"),
        ] {
            assert_eq!(at(text), Ok(nanos(found)), "{text}");
        }
        for text in ["", "soon", "25:00", "-", "1e99s", "1960-01-01 00:00"] {
            assert_eq!(at(text), Err(Relative::Present.wrong()), "{text}");
        }
        for text in ["2027-01-01 00:00", "+5m"] {
            let told = at(text).expect_err("it is refused");
            assert!(told.starts_with("in the future; ") && told.contains("7d (ago)"), "{told}");
        }
    }
}
