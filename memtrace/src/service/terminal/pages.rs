//! Pages of lines on the terminal: a fixed head and scrollable rows, for simple views.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use crossterm::event::EventStream;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tokio::sync::watch;

use super::{Effect, Message, PANICKED, Screen, Signals, message, next, remember_panics};
use memtrace_view::emphasis::{Emphasis, Part};
use memtrace_view::tui::key::Key;
use memtrace_view::tui::page::{Page, Parts};
use memtrace_view::tui::theme;

/// The keys.
const KEYS: &str = "q quit  ↑↓ scroll";

/// Shows the newest page until the user quits, a signal ends the process, the terminal is closed,
/// or the sender is dropped.
///
/// # Errors
/// When the terminal can't be drawn on.
pub async fn pages(mut pages: watch::Receiver<Page>, color: bool) -> Result<()> {
    remember_panics();
    let mut screen = Screen::enter()?;
    let mut signals = Signals::listen()?;
    let mut events = EventStream::new();
    let mut from = 0;
    loop {
        if PANICKED.load(Ordering::SeqCst) {
            bail!("internal error; see the message above");
        }
        let page = pages.borrow_and_update().clone();
        let mut rows = 0;
        let draw = |frame: &mut ratatui::Frame<'_>| {
            let area = frame.area();
            rows = usize::from(area.height).saturating_sub(page.head.len() + 1);
            from = from.min(page.rows.len().saturating_sub(rows));
            paint(frame.buffer_mut(), area, &page, from, color);
        };
        screen.terminal.draw(draw).context("drawing on the terminal")?;
        tokio::select! {
            effect = signals.next() => match effect {
                Effect::Suspend => screen.suspend()?,
                _ => return Ok(()),
            },
            event = next(&mut events) => match event {
                Some(event) => match message(event.context("reading keys")?) {
                    Some(Message::Key(Key::Char('q') | Key::Esc | Key::Ctrl('c'))) => {
                        return Ok(());
                    }
                    Some(Message::Key(Key::Ctrl('z'))) => screen.suspend()?,
                    Some(Message::Key(key)) => {
                        if let Some(motion) = key.motion() {
                            from = motion.apply(from, page.rows.len(), rows);
                        }
                    }
                    _ => {}
                },
                None => bail!("the terminal has been closed"),
            },
            changed = pages.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

fn paint(buffer: &mut Buffer, area: Rect, page: &Page, from: usize, color: bool) {
    let lines = page.head.iter().chain(page.rows.iter().skip(from));
    let last = area.bottom().saturating_sub(1);
    for (y, parts) in (area.y..last).zip(lines) {
        buffer.set_line(area.x, y, &line(parts, color), area.width);
    }
    if area.height > 0 {
        let keys = vec![Part::new(KEYS, Emphasis::Dim)];
        buffer.set_line(area.x, last, &line(&keys, color), area.width);
    }
}

fn line(parts: &Parts, color: bool) -> Line<'static> {
    let mut spans = Vec::new();
    for part in parts {
        if !spans.is_empty() {
            spans.push(Span::raw(" "));
        }
        spans.push(Span::styled(part.text.clone(), theme::style(part.emphasis, color)));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_stays_and_rows_scroll() {
        let parts = |text: &str| vec![Part::plain(text), Part::new("x", Emphasis::Hot)];
        let page = Page { head: vec![parts("head")], rows: ["a", "b", "c"].map(parts).to_vec() };
        let area = Rect::new(0, 0, 8, 4);
        let mut buffer = Buffer::empty(area);
        paint(&mut buffer, area, &page, 1, false);
        let row = |y| -> String { (0..8).map(|x| buffer[(x, y)].symbol().to_owned()).collect() };
        let rows = [row(0), row(1), row(2), row(3)];
        assert_eq!(rows, ["head x  ", "b x     ", "c x     ", "q quit  "]);
    }
}
