//! The header: host and policy in six lines, and failures in two more.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::line::{bar, fit, put, styled};
use crate::emphasis::{Emphasis, Part};
use crate::summary;
use crate::tui::geometry;
use crate::tui::state::State;
use crate::tui::theme;
use memtrace_core::model::Snapshot;
use memtrace_core::replay::order::Place;
use memtrace_core::text;
use memtrace_core::units::{Bytes, Nanos, Percent};

/// Columns of the words before the bars.
const LABEL: usize = 5;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let width = usize::from(area.width);
    let mut lines = vec![title(state, width)];
    if let Some(snapshot) = &state.snapshot {
        if area.height >= 6 {
            lines.extend(whole(snapshot, width, state.color));
            lines.push(fit(&summary::policy(&state.decided), width, state.color));
        } else {
            let mut parts = summary::policy(&state.decided);
            parts.truncate(1);
            parts.extend(summary::pressure(&snapshot.host));
            lines.push(fit(&parts, width, state.color));
        }
        let losses = summary::losses(snapshot);
        lines.extend(losses.map(|losses| fit(&[losses], width, state.color)));
    } else {
        // Keeps the table where it will be.
        lines.resize(usize::from(area.height.min(6)), Line::default());
    }
    if geometry::notice_line(state) {
        lines.push(notices(state, width));
    }
    for (y, line) in lines.iter().enumerate() {
        put(buffer, area, y, line);
    }
}

fn whole(snapshot: &Snapshot, width: usize, color: bool) -> [Line<'static>; 4] {
    let host = &snapshot.host;
    let memory = summary::memory_used(host);
    let emphasis = memory.map_or(Emphasis::Dim, |(_, share)| summary::memory_tone(share));
    let swap_emphasis = Emphasis::Plain;
    let mut count = summary::vms(snapshot);
    count.extend(summary::signals(snapshot));
    [
        barred("Mem", memory, emphasis, &summary::memory(host), width, color),
        barred("Swap", summary::swap_used(host), swap_emphasis, &summary::swap(host), width, color),
        fit(&summary::pressure(host), width, color),
        fit(&count, width, color),
    ]
}

/// A label, a bar and text.
fn barred(
    label: &str,
    used: Option<(Bytes, Percent)>,
    emphasis: Emphasis,
    parts: &[Part],
    width: usize,
    color: bool,
) -> Line<'static> {
    let wide = (width / 5).max(8);
    let share = used.map_or(0.0, |(_, share)| share.0 / 100.0);
    let mut spans = vec![
        styled(text::left(label, LABEL), Emphasis::Strong, color),
        styled(bar(share, wide), emphasis, color),
        styled("  ", Emphasis::Plain, color),
    ];
    spans.extend(fit(parts, width.saturating_sub(LABEL + wide + 2), color).spans);
    Line::from(spans)
}

/// The first line: host name and time.
fn title(state: &State, width: usize) -> Line<'static> {
    let color = state.color;
    let Some(snapshot) = &state.snapshot else {
        return fit(
            &[Part::new("memtrace  waiting for the first sample", Emphasis::Strong)],
            width,
            color,
        );
    };
    let format = if state.replay.is_some() { "%Y-%m-%d %H:%M:%S" } else { "%H:%M:%S" };
    let time = summary::local_time(snapshot.wall, &state.zone, format);
    let every = format!("every {}", interval(state.interval));
    let filter = state.filter.as_ref().map(|filter| {
        let shown = state.rows().len();
        Part::new(format!("/{}/ shows {shown}", text::clean(filter.expression())), Emphasis::Warm)
    });
    let host = summary::hostname(&snapshot.host);
    let paused = state.paused.then(|| {
        let newer = if state.newest.is_some() { ", newer data available" } else { "" };
        Part::new(format!("PAUSED{newer} (p: resume)"), Emphasis::Hot)
    });
    let kernel = snapshot
        .host
        .kernel
        .as_deref()
        .map(|kernel| Part::new(format!("Linux {}", text::clean(kernel)), Emphasis::Dim));
    let replay = state.replay.as_ref();
    let mut parts = vec![Part::new("memtrace", Emphasis::Strong)];
    parts.extend(replay.map(|_| Part::new("REPLAY", Emphasis::Strong)));
    // A long host name must not push the time out.
    parts.extend([Part::plain(text::truncate(&host, width / 4)), Part::plain(time)]);
    parts.extend(paused.or_else(|| replay.and_then(standing)));
    parts.push(Part::plain(every));
    let from = state.from.as_ref();
    parts.extend(from.map(|from| Part::new(format!("from {}", text::clean(from)), Emphasis::Dim)));
    parts.extend(filter);
    parts.extend(kernel);
    let mut line = fit(&parts, width, color);
    let marked = |text: &str| ["PAUSED", "REPLAY"].iter().any(|mark| text.starts_with(mark));
    if state.paused || state.replay.is_some() {
        let marks = line.spans.iter_mut().filter(|span| marked(&span.content));
        marks.for_each(|span| span.style = span.style.patch(theme::selection()));
    }
    line
}

/// Why the replay doesn't advance, if it doesn't.
fn standing(place: &Place) -> Option<Part> {
    let text = match (place.finding, place.ended, place.playing) {
        (Some(mark), _, _) => format!("searching the next {}", mark.word()),
        (None, true, _) => "END of the recording".to_owned(),
        (None, false, false) => "PAUSED (Space: resume)".to_owned(),
        (None, false, true) => return None,
    };
    Some(Part::new(text, Emphasis::Hot))
}

/// The first notice and the number of others. The end of sampling comes first, and a wait.
fn notices(state: &State, width: usize) -> Line<'static> {
    let told = |what: &str, reason: &Option<Arc<str>>| {
        let text = |reason: &Arc<str>| format!("{what}: {}", text::clean(reason));
        reason.as_ref().map(|reason| Part::new(text(reason), Emphasis::Hot))
    };
    let failure = told("no more data", &state.failure);
    let failure = failure.or_else(|| told("waiting for samples", &state.waiting));
    let lost = state.replay.iter().flat_map(|place| place.losses.iter());
    let lost = lost.map(|loss| Part::new(format!("lost: {}", text::clean(loss)), Emphasis::Hot));
    let notices = state.snapshot.iter().flat_map(|snapshot| &snapshot.notices);
    let mut all = failure.into_iter().chain(lost).chain(notices.map(summary::notice));
    let Some(first) = all.next() else { return Line::default() };
    let more = all.count();
    if more == 0 {
        return fit(&[first], width, state.color);
    }
    let more = format!("  +{more} more");
    let room = width.saturating_sub(more.len());
    let mut line = fit(&[first], room, state.color);
    line.push_span(styled(more, Emphasis::Dim, state.color));
    line
}

/// An interval in the form of the prompt.
fn interval(interval: Duration) -> Nanos {
    Nanos(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX))
}
