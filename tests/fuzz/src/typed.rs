//! Configurations, Prometheus' answers, and what users type.

use std::path::Path;

use jiff::tz::TimeZone;
use memtrace::Config;
use memtrace::prometheus::reply;
use memtrace_core::filter::Filter;
use memtrace_core::replay::time;
use memtrace_core::settings::VmSettings;
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_core::{interval, text};
use memtrace_view::export::metrics::parse;

use crate::{DEAR, assert_displayable, lossy};

const NOON: WallNanos = WallNanos(1_700_000_000_000_000_000);
/// Columns that a text is fitted into.
const COLUMNS: usize = 12;

/// A `memtrace.toml`.
pub fn configuration(data: &[u8]) {
    if let Err(problems) = Config::of_text(Path::new("memtrace.toml"), &lossy(data)) {
        assert!(!problems.is_empty());
        problems.iter().for_each(|problem| assert_displayable(&problem.to_string()));
    }
}

/// The body of an answer of Prometheus' HTTP API.
pub fn prometheus(data: &[u8]) {
    // Texts end up in a terminal.
    match reply::read(data) {
        Ok(answer) => {
            assert!(answer.series.iter().all(|series| series.value.is_finite()));
            answer.warnings.iter().for_each(|text| assert_displayable(text));
        }
        Err(error) => assert_displayable(&format!("{error:#}")),
    }
    if let Ok(answer) = reply::lines(data) {
        let mut points = answer.lines.iter().flat_map(|line| &line.points);
        assert!(points.all(|(at, value)| at.is_finite() && value.is_finite()));
    }
    if let Err(error) = reply::labels(data) {
        assert_displayable(&format!("{error:#}"));
    }
}

/// Metrics of another process, in either text format.
pub fn exposition(data: &[u8]) {
    for sample in parse::samples(&lossy(data)).filter(|sample| !sample.value.is_nan()) {
        let mut line = sample.name.clone();
        for (place, (label, value)) in sample.labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            line += if place == 0 { "{" } else { "," };
            line += &format!("{label}=\"{value}\"");
        }
        line += if sample.labels.is_empty() { "" } else { "}" };
        line += &format!(" {}", sample.value);
        assert_eq!(parse::sample(&line), Some(sample), "{line}");
    }
}

/// Sizes, durations, times, filters and settings, as users and domains' metadata have them.
pub fn texts(data: &[u8]) {
    let typed = lossy(data);
    if let Ok(duration) = typed.parse::<Nanos>() {
        assert_eq!(duration.to_string().parse(), Ok(duration), "{typed:?}");
    }
    let size = typed.parse::<Bytes>();
    VmSettings::of_texts([("minimum", &*typed), ("weight", &typed), ("priority", &typed)]);
    assert!(size.is_err() || !typed.starts_with('-'));
    // Refused texts have a message.
    let _ = interval::parse(&typed);
    let _ = time::since(&typed, &TimeZone::UTC, NOON);
    if data.len().is_multiple_of(DEAR) {
        let _ = Filter::parse(&typed);
    }
    assert!(text::width(&text::truncate(&typed, COLUMNS)) <= COLUMNS, "{typed:?}");
    assert!(!text::clean(&typed).chars().any(char::is_control), "{typed:?}");
    let lines = text::wrap(&text::clean(&typed), COLUMNS);
    assert!(lines.iter().all(|line| text::width(line) <= COLUMNS), "{lines:?}");
}
