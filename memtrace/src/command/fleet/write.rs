//! Pages and documents as text. Pure.

use jiff::Timestamp;
use serde_json::json;

use super::host::Fleet;
use crate::command::fleet::placement::{Candidate, KEEP};
use memtrace_core::text;
use memtrace_core::units::Bytes;
use memtrace_view::tui::{Page, Parts};

/// Version of the JSON schema. Incremented when a field is removed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// A page in plain lines of at most `width` columns; with escape codes if `color`.
pub fn plain(page: &Page, width: Option<usize>, color: bool) -> String {
    let lines = page.head.iter().chain(&page.rows);
    lines.map(|line| told(line, width, color) + "\n").collect()
}

fn told(line: &Parts, width: Option<usize>, color: bool) -> String {
    let (mut all, mut used) = (String::new(), 0);
    for (index, part) in line.iter().enumerate() {
        let gap = usize::from(index > 0);
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(used + gap));
        let last = index + 1 == line.len();
        let content = text::truncate(&part.text, room);
        let content = if last { content.trim_end() } else { &*content };
        used += gap + text::width(content);
        all.push_str(&" ".repeat(gap));
        all.push_str(&part.emphasis.paint(content, color));
    }
    all
}

/// One line of JSON.
pub fn json(fleet: &Fleet, fit: Option<(Bytes, &[Candidate])>) -> String {
    let at = fleet.at.and_then(|at| Timestamp::from_millisecond((at * 1e3) as i64).ok());
    let mut document = json!({
        "schema_version": SCHEMA_VERSION,
        "at": at.map(|at| at.to_string()),
        "hosts": fleet.hosts,
        "notices": fleet.notices,
    });
    if let (Some((size, places)), Some(fields)) = (fit, document.as_object_mut()) {
        let fit = json!({ "size_bytes": size.0, "keep_ratio": KEEP, "places": places });
        fields.insert("fit".to_owned(), fit);
    }
    format!("{document}\n")
}
