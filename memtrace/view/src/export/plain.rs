//! A snapshot as plain text, for `--once`, `--plain`, pipes and logs: a few lines about
//! the host and the table of VMs. Pure. Does no output itself.

use jiff::tz::TimeZone;

use crate::columns::{self, ColumnId, Placed, Sort, cell};
use crate::emphasis::{Emphasis, Part};
use crate::summary;
use memtrace_core::filter::Filter;
use memtrace_core::format;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::reactor::Decided;
use memtrace_core::text;

/// Options of the plain output.
#[derive(Clone, Debug)]
pub struct PlainOptions {
    pub sort: Sort,
    pub filter: Option<Filter>,
    /// The columns to show; empty: by the width.
    pub columns: Vec<ColumnId>,
    /// Output width; `None` for all essential columns and full names.
    pub width: Option<usize>,
    /// Whether to emit colour escape codes.
    pub color: bool,
    /// For the time of day.
    pub zone: TimeZone,
}

impl Default for PlainOptions {
    fn default() -> Self {
        Self {
            sort: Sort::default(),
            filter: None,
            columns: Vec::new(),
            width: None,
            color: false,
            zone: TimeZone::UTC,
        }
    }
}

/// One frame: the host, the table, and why columns are empty. Ends with a newline. The
/// targets of [`Decided`] are expected to be in the snapshot ([`Decided::aim`]).
pub fn frame(snapshot: &Snapshot, decided: &Decided, options: &PlainOptions) -> String {
    let mut vms: Vec<&VmView> = snapshot
        .vms
        .iter()
        .filter(|vm| options.filter.as_ref().is_none_or(|filter| filter.matches(vm)))
        .collect();
    options.sort.apply(&mut vms);

    let mut lines = header(snapshot, decided, &options.zone);
    lines.push(String::new());

    let longest = vms.iter().map(|vm| text::width(&text::clean(&vm.title()))).max().unwrap_or(0);
    let placed = match options.width {
        Some(width) => columns::window(width, options.sort, longest, (&options.columns, 0)),
        None if !options.columns.is_empty() => columns::every(&options.columns, longest),
        None => columns::essential(options.sort, longest),
    };
    if vms.is_empty() {
        lines.push(summary::empty_table(snapshot, options.filter.as_ref()));
    } else {
        lines.push(head(&placed, options));
        lines.extend(vms.iter().map(|vm| row(vm, &placed, options.color)));
        lines.extend(reasons(&vms, &placed));
    }
    finish(&lines, options.width)
}

/// Everything above the table.
fn header(snapshot: &Snapshot, decided: &Decided, zone: &TimeZone) -> Vec<String> {
    let host = &snapshot.host;
    let moment = summary::local_time(snapshot.wall, zone, "%Y-%m-%dT%H:%M:%S%:z");
    let interval = match snapshot.interval {
        Some(interval) => format!("rates over {}", format::duration(interval, 5)),
        None => "first sample: no rates yet".to_owned(),
    };
    let mut lines = vec![
        format!("memtrace  {}  {moment}  {interval}", summary::hostname(host)),
        join("mem", &summary::memory(host)),
        join("swap", &summary::swap(host)),
        join("", &summary::pressure(host)),
        join("", &summary::vms(snapshot)),
        join("", &summary::signals(snapshot)),
        join("", &summary::policy(decided)),
    ];
    lines.extend(summary::losses(snapshot).map(|losses| losses.text));
    lines.extend(snapshot.notices.iter().map(|notice| summary::notice(notice).text));
    lines
}

fn join(label: &str, parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| part.text.as_str());
    let label = Some(label).filter(|label| !label.is_empty());
    label.into_iter().chain(texts).collect::<Vec<_>>().join("  ")
}

/// Joins lines; text that is too wide is cut, if a width is given.
fn finish(lines: &[String], width: Option<usize>) -> String {
    let mut frame = String::new();
    for line in lines {
        let line = match width {
            // Lines with escape codes are tables, which fit already.
            Some(width) if !line.contains('\x1b') => text::truncate(line, width),
            _ => line.into(),
        };
        frame.push_str(line.trim_end());
        frame.push('\n');
    }
    frame
}

fn head(placed: &[Placed], options: &PlainOptions) -> String {
    let mut line = String::new();
    for (index, place) in placed.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        let column = place.id.column();
        let field = align(column.title, place);
        let is_sorted_by = place.id == options.sort.column;
        line.push_str(&Emphasis::Strong.paint(&field, options.color && is_sorted_by));
    }
    line
}

fn row(vm: &VmView, placed: &[Placed], color: bool) -> String {
    let mut line = String::new();
    for (index, place) in placed.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        let cell = cell(place.id, vm);
        let field = align(&cell.text, place);
        line.push_str(&cell.emphasis(place.id).paint(&field, color));
    }
    line
}

fn align(content: &str, place: &Placed) -> String {
    if place.id.column().left {
        text::left(content, place.width)
    } else {
        text::right(content, place.width)
    }
}

/// Why whole columns are empty, one line per reason.
fn reasons(vms: &[&VmView], placed: &[Placed]) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for place in placed {
        let Some(reason) = columns::empty_because(place.id, vms) else {
            continue;
        };
        let title = place.id.column().title;
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, titles)) => titles.push(title),
            None => reasons.push((reason, vec![title])),
        }
    }
    reasons
        .into_iter()
        .map(|(reason, titles)| {
            format!("{} {}: {}", format::UNKNOWN, titles.join(" "), text::clean(&reason))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ColumnId;
    use memtrace_core::fixture;
    use memtrace_core::sample::{Notice, Topic};

    fn nothing() -> Decided {
        Decided::Not("the configuration can't be used\x1b[2J".into())
    }

    #[test]
    fn three_vms() {
        insta::assert_snapshot!(frame(
            &fixture::demo(),
            &fixture::observed(),
            &PlainOptions::default()
        ));
    }

    #[test]
    fn without_privileges_it_says_why_columns_are_empty() {
        insta::assert_snapshot!(frame(
            &fixture::without_kernel_side(),
            &nothing(),
            &PlainOptions::default()
        ));
    }

    #[test]
    fn an_empty_host_with_a_notice() {
        let mut snapshot = fixture::snapshot(Vec::new());
        snapshot.notices.push(Notice { about: Topic::Libvirt, text: "gone\x1b[2J".to_owned() });
        insta::assert_snapshot!(frame(&snapshot, &nothing(), &PlainOptions::default()));
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        for width in [1, 20, 40, 80, 120, 200] {
            let options = PlainOptions { width: Some(width), ..PlainOptions::default() };
            for line in frame(&fixture::without_kernel_side(), &nothing(), &options).lines() {
                assert!(text::width(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn sorted_and_filtered() {
        let options = PlainOptions {
            sort: Sort::by(ColumnId::Name),
            filter: Some(Filter::parse("^(idle|victim)$").unwrap()),
            ..PlainOptions::default()
        };
        let frame = frame(&fixture::demo(), &fixture::observed(), &options);
        let rows: Vec<_> = frame.lines().skip_while(|line| !line.starts_with("NAME")).collect();
        assert!(rows[1].starts_with("idle") && rows[2].starts_with("victim"), "{frame}");
        assert!(!frame.contains("noisy"), "{frame}");
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        let plain = frame(&fixture::demo(), &fixture::observed(), &PlainOptions::default());
        assert!(!plain.contains('\x1b'));
        let options = PlainOptions { color: true, ..PlainOptions::default() };
        let colored = frame(&fixture::demo(), &fixture::observed(), &options);
        assert!(colored.contains("\x1b[31m38.4%\x1b[0m"), "{colored:?}");
    }
}
