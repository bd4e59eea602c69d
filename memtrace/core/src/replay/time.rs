//! A moment as somebody types it. Pure.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::units::WallNanos;

const HOW: &str = "not a time, as 14:05, 2026-11-23 14:05, +10m and -1h are";

/// `14:05` and `14:05:30` of the day of `now`, `2026-11-23 14:05`, `2026-11-23T14:05:30Z`, and
/// from `now` on or back: `+10m`, `-1h`.
///
/// # Errors
/// When it is none of them: how it is typed.
pub fn moment(text: &str, zone: &TimeZone, now: WallNanos) -> Result<WallNanos, String> {
    let text = text.trim();
    let now = Timestamp::from_nanosecond(i128::from(now.0)).map_err(|_| HOW.to_owned())?;
    let found = match text.as_bytes().first() {
        Some(b'+' | b'-') => apart(text, now),
        _ => text.parse::<Timestamp>().ok().or_else(|| civil(text, zone, now)),
    };
    let nanos = found.and_then(|found| u64::try_from(found.as_nanosecond()).ok());
    nanos.map(WallNanos).ok_or_else(|| HOW.to_owned())
}

fn apart(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (sign, length) = text.split_at_checked(1)?;
    let length = length.trim_start().parse::<SignedDuration>().ok()?;
    // Of two signs one is too many.
    let length = Some(length).filter(|length| !length.is_negative())?;
    let length = if sign == "-" { -length } else { length };
    now.checked_add(length).ok()
}

fn civil(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let day = now.to_zoned(zone.clone()).date();
    // One with a date would be a time as well, of another day.
    let time = || text.parse::<Time>().ok().map(|time| day.to_datetime(time));
    let when = text.parse::<DateTime>().ok().or_else(time)?;
    when.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_can_be_typed_in_many_ways() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let nanos = |text: &str| {
            let at: Timestamp = text.parse().expect("it is a time");
            WallNanos(u64::try_from(at.as_nanosecond()).expect("it is after 1970"))
        };
        let now = nanos("2026-11-23T12:00:00Z");
        for (text, found) in [
            ("14:05", "2026-11-23T13:05:00Z"),
            (" 14:05:30 ", "2026-11-23T13:05:30Z"),
            ("2026-11-22 00:10", "2026-11-21T23:10:00Z"),
            ("2026-11-22T00:10:00Z", "2026-11-22T00:10:00Z"),
            ("+10m", "2026-11-23T12:10:00Z"),
            ("-1h", "2026-11-23T11:00:00Z"),
            ("- 90s", "2026-11-23T11:58:30Z"),
        ] {
            assert_eq!(moment(text, &zone, now), Ok(nanos(found)), "{text}");
        }
        for text in ["", "+", "--1h", "soon", "25:00", "10m", "+10", "1969-01-01 00:00", "ä"] {
            assert_eq!(moment(text, &zone, now), Err(HOW.to_owned()), "{text}");
        }
    }
}
