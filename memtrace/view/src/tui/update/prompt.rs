//! Input lines: the filter, applied while typing, and the interval, applied on Enter.

use std::time::Duration;

use super::effect::Effect;
use crate::tui::key::Key;
use crate::tui::state::{Overlay, State};
use memtrace_core::filter::{self, Filter};

/// Bounds of the interval: below, the view would mostly measure itself.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// Longest text for an interval.
const INTERVAL_TEXT: usize = 16;

pub(super) fn filter(state: &mut State, key: Key) {
    let Some(Overlay::Filter(prompt)) = &mut state.overlay else { return };
    match key {
        Key::Esc => {
            state.filter = None;
            state.overlay = None;
        }
        // Invalid input stays, to be corrected.
        Key::Enter if prompt.error.is_none() => state.overlay = None,
        key => {
            if edit(&mut prompt.text, key, filter::LONGEST) {
                apply_filter(state);
            }
        }
    }
}

pub(super) fn interval(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(Overlay::Interval(prompt)) = &mut state.overlay else { return Vec::new() };
    match key {
        Key::Esc => state.overlay = None,
        Key::Enter if prompt.text.is_empty() => state.overlay = None,
        Key::Enter => match parse_interval(&prompt.text) {
            Ok(interval) => {
                state.interval = interval;
                state.overlay = None;
                return vec![Effect::SetInterval(interval)];
            }
            Err(error) => prompt.error = Some(error),
        },
        key => {
            if edit(&mut prompt.text, key, INTERVAL_TEXT) {
                prompt.error = None;
            }
        }
    }
    Vec::new()
}

/// Pasted text is only inserted into an open input line; its letters are no commands.
pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    for letter in text.chars().filter(|letter| !letter.is_control()).take(filter::LONGEST) {
        match &state.overlay {
            Some(Overlay::Filter(_)) => filter(state, Key::Char(letter)),
            Some(Overlay::Interval(_)) => drop(interval(state, Key::Char(letter))),
            Some(Overlay::GoTo(_)) => drop(super::replay::prompt(state, Key::Char(letter))),
            _ => break,
        }
    }
    Vec::new()
}

/// A valid expression filters at once; an invalid one is reported and changes nothing.
fn apply_filter(state: &mut State) {
    let Some(Overlay::Filter(prompt)) = &mut state.overlay else { return };
    if prompt.text.is_empty() {
        prompt.error = None;
        state.filter = None;
        return;
    }
    match Filter::parse(&prompt.text) {
        Ok(filter) => {
            prompt.error = None;
            state.filter = Some(filter);
        }
        Err(error) => prompt.error = Some(error.root_cause().to_string()),
    }
}

/// Whether `key` changed `text`, which may have `longest` bytes.
pub(super) fn edit(text: &mut String, key: Key, longest: usize) -> bool {
    match key {
        Key::Char(letter) if text.len() + letter.len_utf8() <= longest => text.push(letter),
        Key::Backspace | Key::Ctrl('h') => drop(text.pop()),
        Key::Ctrl('u') => text.clear(),
        Key::Ctrl('w') => {
            let kept = text.trim_end().rfind(' ').map_or(0, |space| space + 1);
            text.truncate(kept);
        }
        _ => return false,
    }
    true
}

/// Seconds (`2`, `0.5`, `2s`) or milliseconds (`500ms`).
fn parse_interval(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.trim().replace(',', ".").parse::<f64>().ok().map(|n| n * unit);
    let interval = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match interval {
        Some(interval) if (SHORTEST..=LONGEST).contains(&interval) => Ok(interval),
        _ => Err("from 0.1 to 60 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        let millis = |text: &str| parse_interval(text).ok().map(|d| d.as_millis());
        for (text, parsed) in [
            ("2", Some(2000)),
            ("0.5", Some(500)),
            ("0,5", Some(500)),
            (" 250ms ", Some(250)),
            ("60s", Some(60_000)),
            ("0.1", Some(100)),
            ("0.09", None),
            ("61", None),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("1e300", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(millis(text), parsed, "{text}");
        }
    }

    #[test]
    fn words_are_erased_whole() {
        let mut text = "web db".to_owned();
        assert!(edit(&mut text, Key::Ctrl('w'), 99));
        assert_eq!(text, "web ");
        assert!(edit(&mut text, Key::Ctrl('w'), 99));
        assert_eq!(text, "");
    }

    #[test]
    fn a_text_has_a_bound() {
        let mut text = "abc".to_owned();
        assert!(!edit(&mut text, Key::Char('ß'), 4));
        assert!(edit(&mut text, Key::Char('d'), 4));
    }
}
