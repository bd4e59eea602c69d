//! Input lines: the filter, applied while typing, and the interval, applied on Enter.

use super::effect::Effect;
use crate::tui::key::Key;
use crate::tui::state::{Overlay, State};
use memtrace_core::filter::{self, Filter};
use memtrace_core::interval;

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
        Key::Enter => match interval::parse(&prompt.text) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
