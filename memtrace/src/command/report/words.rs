//! Formats numbers, times and names for the page. Pure. Unknown values are dashes.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use memtrace_core::format;
use memtrace_core::text::{clean, truncate};
use memtrace_core::units::{Bytes, WallNanos};
use memtrace_view::summary::local_time;

/// Columns of a name.
const NAME: usize = 64;

/// Untrusted text, sanitised. Templates escape it.
pub fn name(text: &str) -> String {
    if text.is_empty() { "(no name)".to_owned() } else { said(truncate(text, NAME).as_ref()) }
}

pub fn said(text: &str) -> String {
    clean(text).into_owned()
}

/// `2026-11-23 14:05:09`.
pub fn time(at: WallNanos, zone: &TimeZone) -> String {
    local_time(at, zone, "%Y-%m-%d %H:%M:%S")
}

/// `14:05:09`, with the day where it isn't that of `begin`.
pub fn clock(at: WallNanos, begin: WallNanos, zone: &TimeZone) -> String {
    let day = |at| local_time(at, zone, "%Y-%m-%d");
    local_time(at, zone, if day(at) == day(begin) { "%H:%M:%S" } else { "%m-%d %H:%M:%S" })
}

/// The zone's name or offset at that time.
pub fn zone_of(at: WallNanos, zone: &TimeZone) -> String {
    local_time(at, zone, "%Z")
}

/// `1.2 GiB`.
pub fn bytes(amount: f64) -> String {
    if !amount.is_finite() || amount < 0.0 {
        return format::UNKNOWN.to_owned();
    }
    let text = format::bytes(Bytes(amount as u64), 6);
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    match text.strip_prefix(digits).unwrap_or_default() {
        "B" => format!("{digits} B"),
        unit => format!("{digits} {unit}iB"),
    }
}

pub fn count(value: f64) -> String {
    format::count(value, 6)
}

pub fn percent(value: f64) -> String {
    match value {
        v if !v.is_finite() => format::UNKNOWN.to_owned(),
        v if v > 0.0 && v < 0.1 => "<0.1 %".to_owned(),
        v if v < 10.0 => format!("{v:.1} %"),
        v => format!("{v:.0} %"),
    }
}

/// A cell with a number, or a dash with the reason as a tooltip.
pub fn cell(value: Option<String>, because: Option<&str>) -> Markup {
    match value {
        Some(value) => html! { td.n { (value) } },
        None => {
            let why = said(because.unwrap_or("unknown"));
            html! { td.n title=(why) { (format::UNKNOWN) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::units::Nanos;

    #[test]
    fn numbers_are_as_people_write_them() {
        for (value, text) in [(0.0, "0 B"), (1536.0, "1.5 KiB"), (3.5e9, "3.3 GiB"), (-1.0, "-")] {
            assert_eq!(bytes(value), text);
        }
        assert_eq!([percent(0.04), percent(2.25), percent(41.2)], ["<0.1 %", "2.2 %", "41 %"]);
    }

    #[test]
    fn times_have_the_day_where_it_is_another() {
        let begin = memtrace_core::fixture::WALL;
        let next = WallNanos(begin.0 + 7_200 * Nanos::SECOND.0 * 2);
        assert_eq!(time(begin, &TimeZone::UTC), "2026-11-22 21:31:05");
        assert_eq!(clock(begin, begin, &TimeZone::UTC), "21:31:05");
        assert_eq!(clock(next, begin, &TimeZone::UTC), "11-23 01:31:05");
        assert_eq!(clock(WallNanos(u64::MAX), begin, &TimeZone::UTC), "07-21 23:34:33");
    }

    #[test]
    fn an_unknown_value_is_a_dash_with_a_reason() {
        let cell = cell(None, Some("CAP_BPF <is> missing")).into_string();
        assert_eq!(cell, "<td class=\"n\" title=\"CAP_BPF &lt;is&gt; missing\">-</td>");
    }
}
