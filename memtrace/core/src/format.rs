//! Numbers as people read them, never wider than they are told to be: `1.2G`, `345M`,
//! `1.2k`, `12%`, `3.4ms`. Pure. Must not know where a number is shown.
//!
//! Functions for columns take the most columns that the text may have and give up decimals
//! to keep to it; four columns are enough for any number. Memory is in powers of 1024
//! (`K M G`), counts are in powers of 1000 (`k M G`).

use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// What is shown for a number that is not known.
pub const UNKNOWN: &str = "-";
/// What follows a number that is near the truth only.
pub const APPROXIMATE: char = '~';

const BINARY: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// An amount of memory: `0B`, `345M`, `1.2G`.
pub fn bytes(amount: Bytes, columns: usize) -> String {
    scaled(amount.0 as f64, 1024.0, &BINARY, "", columns)
}

/// Bytes per second; the column's title says that it is per second.
pub fn byte_rate(rate: ByteRate, columns: usize) -> String {
    if rate.0 == 0.0 {
        return "0".to_owned();
    }
    scaled(rate.0, 1024.0, &BINARY, "", columns)
}

/// Events per second: `0`, `0.25`, `12.3`, `1.2k`.
pub fn rate(rate: Rate, columns: usize) -> String {
    count(rate.0, columns)
}

/// A plain number: `0`, `0.25`, `12.3`, `1.2k`.
pub fn count(value: f64, columns: usize) -> String {
    if value > 0.0 && value < 0.995 {
        return if value < 0.005 { "<.01".to_owned() } else { format!("{value:.2}") };
    }
    scaled(value, 1000.0, &DECIMAL, "", columns)
}

/// A share: `0%`, `<.1%`, `9.5%`, `12.3%`, `250%`.
pub fn percent(share: Percent, columns: usize) -> String {
    if share.0 > 0.0 && share.0 < 0.05 {
        return "<.1%".to_owned();
    }
    if share.0 >= 99_500.0 {
        return ">99k".to_owned();
    }
    scaled(share.0, 1000.0, &DECIMAL, "%", columns)
}

/// A duration: `0`, `123ns`, `1.2us`, `3.4ms`, `12s`, `90m`.
pub fn duration(time: Nanos, columns: usize) -> String {
    if time.0 >= 60 * Nanos::SECOND.0 {
        return age(time);
    }
    if time.0 == 0 {
        return "0".to_owned();
    }
    let units = ["ns", "us", "ms", "s"];
    // Four columns are too few for `345us`; `.3ms` says it shorter.
    for (next, size) in [("us", 1_u64), ("ms", 1_000), ("s", 1_000_000)] {
        if columns < 5 && (100 * size..999 * size).contains(&time.0) {
            return format!(".{}{next}", time.0 / (100 * size));
        }
    }
    scaled(time.0 as f64, 1000.0, &units, "", columns)
}

/// How long ago: `0s`, `59s`, `12m`, `5h`, `2d`; at most four columns below 1000 days.
pub fn age(time: Nanos) -> String {
    let seconds = time.0 / Nanos::SECOND.0;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something lasted, for a sentence: `45 seconds`, `12 minutes`, `5.3 hours`,
/// `2.0 days`. What lasted at all is never told as 0 of the next unit.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => UNKNOWN.to_owned(),
        s if s < 120.0 => several(s.round() as u64, "second"),
        s if s < 7_200.0 => several((s / 60.0).round() as u64, "minute"),
        s if s < 172_800.0 => format!("{:.1} hours", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// A number and its noun: `1 sample`, `2 samples`. Not for a column.
pub fn several(number: u64, noun: &str) -> String {
    let end = match number {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{end}")
}

/// The most precise form of `value` within `columns`, with at most one decimal, or the
/// shortest if none fits.
fn scaled(value: f64, base: f64, units: &[&str], suffix: &str, columns: usize) -> String {
    if !value.is_finite() || value < 0.0 {
        return UNKNOWN.to_owned();
    }
    let mut scaled = value;
    let mut shortest = UNKNOWN.to_owned();
    for (index, unit) in units.iter().enumerate() {
        let last = index + 1 == units.len();
        // What would be rounded up to the next unit's 1 is shown as that.
        if scaled + 0.5 >= base && !last {
            scaled /= base;
            continue;
        }
        let fine = format!("{scaled:.1}{unit}{suffix}");
        let coarse = format!("{scaled:.0}{unit}{suffix}");
        // 345.6M says no more to an eye than 345M; 12B has no decimals.
        let wants_fine = scaled < 99.95 && scaled != scaled.trunc()
            || scaled < 9.95 && (index > 0 || suffix == "%") && scaled > 0.0;
        let decimals = wants_fine && *unit != "B" && *unit != "ns";
        if decimals && fine.len() <= columns {
            return fine;
        }
        if coarse.len() <= columns || last {
            return coarse;
        }
        shortest = coarse;
        scaled /= base;
    }
    shortest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const K: u64 = 1024;

    #[test]
    fn memory() {
        for (amount, five, four) in [
            (0, "0B", "0B"),
            (999, "999B", "999B"),
            (1023, "1023B", "1.0K"),
            (K, "1.0K", "1.0K"),
            (1536, "1.5K", "1.5K"),
            (345 * K * K, "345M", "345M"),
            (1000 * K * K, "1000M", "1.0G"),
            (1023 * K * K + 600 * K, "1.0G", "1.0G"),
            (12 * K * K * K + 300 * K * K, "12.3G", "12G"),
            (64 * K * K * K, "64G", "64G"),
            (2 * K * K * K * K, "2.0T", "2.0T"),
            (u64::MAX, "16E", "16E"),
        ] {
            assert_eq!(bytes(Bytes(amount), 5), five, "{amount} in 5");
            assert_eq!(bytes(Bytes(amount), 4), four, "{amount} in 4");
        }
    }

    #[test]
    fn a_span_is_never_nothing_of_the_next_unit() {
        for (seconds, text) in [
            (0.0, "0 seconds"),
            (1.0, "1 second"),
            (119.4, "119 seconds"),
            (600.0, "10 minutes"),
            (7_199.0, "120 minutes"),
            (7_200.0, "2.0 hours"),
            (90_000.0, "25.0 hours"),
            (172_800.0, "2.0 days"),
            (30.0 * 86_400.0, "30.0 days"),
            (f64::NAN, UNKNOWN),
            (-1.0, UNKNOWN),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn rates_keep_small_values_apart_from_nothing() {
        for (value, text) in [
            (0.0, "0"),
            (0.001, "<.01"),
            (0.25, "0.25"),
            (0.999, "1.0"),
            (1.25, "1.2"),
            (3.0, "3"),
            (12.34, "12.3"),
            (345.6, "346"),
            (999.7, "1.0k"),
            (12_345.0, "12.3k"),
            (2.5e6, "2.5M"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
            (-1.0, "-"),
        ] {
            assert_eq!(rate(Rate(value), 5), text, "{value}");
        }
        assert_eq!(rate(Rate(12_345.0), 4), "12k");
        assert_eq!(byte_rate(ByteRate(0.0), 5), "0");
        assert_eq!(byte_rate(ByteRate(1_258_291.2), 5), "1.2M");
    }

    #[test]
    fn shares() {
        for (value, five, four) in [
            (0.0, "0%", "0%"),
            (0.01, "<.1%", "<.1%"),
            (0.2, "0.2%", "0.2%"),
            (9.5, "9.5%", "9.5%"),
            (12.34, "12.3%", "12%"),
            (100.0, "100%", "100%"),
            (250.4, "250%", "250%"),
            (1200.0, "1.2k%", "1k%"),
        ] {
            assert_eq!(percent(Percent(value), 5), five, "{value} in 5");
            assert_eq!(percent(Percent(value), 4), four, "{value} in 4");
        }
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| several(n, "VM")), ["0 VMs", "1 VM", "2 VMs"]);
        assert_eq!([1, 2].map(|n| several(n, "process")), ["1 process", "2 processes"]);
    }

    #[test]
    fn durations_and_ages() {
        for (nanos, text) in [
            (0, "0"),
            (123, "123ns"),
            (1_500, "1.5us"),
            (12_000_000, "12ms"),
            (345_000_000, "345ms"),
            (2_500_000_000, "2.5s"),
            (59_000_000_000, "59s"),
            (90_000_000_000, "90s"),
            (600_000_000_000, "10m"),
        ] {
            assert_eq!(duration(Nanos(nanos), 5), text, "{nanos}");
        }
        assert_eq!(duration(Nanos(345_000_000), 4), ".3s");
        assert_eq!(duration(Nanos(345_000), 4), ".3ms");
        assert_eq!(age(Nanos(3 * 3_600_000_000_000)), "3h");
        assert_eq!(age(Nanos(4 * 86_400_000_000_000)), "4d");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_allowed(value in any::<u64>(), columns in 4_usize..8) {
            let real = value as f64;
            prop_assert!(bytes(Bytes(value), columns).len() <= columns);
            prop_assert!(byte_rate(ByteRate(real), columns).len() <= columns);
            prop_assert!(rate(Rate(real), columns).len() <= columns);
            prop_assert!(duration(Nanos(value % 80_000_000_000_000_000), columns).len() <= columns);
            prop_assert!(percent(Percent(real), columns).len() <= columns);
        }

        #[test]
        fn small_fractions_fit_too(value in 0.0_f64..2000.0, columns in 4_usize..8) {
            prop_assert!(rate(Rate(value), columns).len() <= columns);
            prop_assert!(percent(Percent(value), columns).len() <= columns);
            prop_assert!(byte_rate(ByteRate(value), columns).len() <= columns);
        }
    }
}
