//! Typing: filters and intervals.

use std::time::Duration;

use super::{demo, names, press, selected, state, type_in};
use crate::tui::key::Key;
use crate::tui::state::Overlay;
use crate::tui::update::{Effect, Message, update};

#[test]
fn a_filter_works_while_it_is_typed() {
    let mut state = state(demo());
    press(&mut state, Key::Char('/'));
    type_in(&mut state, "i.le");
    assert_eq!(names(&state), ["idle"]);
    assert_eq!(selected(&state), "idle");
    press(&mut state, Key::Enter);
    assert_eq!(names(&state), ["idle"]);
    press(&mut state, Key::Esc);
    assert_eq!(names(&state).len(), 3);
}

#[test]
fn an_invalid_filter_is_reported_and_leaves_the_old_one() {
    let mut state = state(demo());
    press(&mut state, Key::Char('/'));
    type_in(&mut state, "vic(");
    let Some(Overlay::Filter(prompt)) = &state.overlay else { panic!("no prompt") };
    assert_eq!(prompt.error.as_deref(), Some("unclosed group"));
    assert_eq!(names(&state), ["victim"]);
    press(&mut state, Key::Enter);
    assert!(state.overlay.is_some(), "what is wrong stays to be mended");
    press(&mut state, Key::Backspace);
    press(&mut state, Key::Enter);
    assert!(state.overlay.is_none());
    // The prompt opens with the current value, and Esc clears it.
    press(&mut state, Key::Char('/'));
    let Some(Overlay::Filter(prompt)) = &state.overlay else { panic!("no prompt") };
    assert_eq!(prompt.text, "vic");
    press(&mut state, Key::Esc);
    assert_eq!((names(&state).len(), &state.overlay), (3, &None));
}

#[test]
fn letters_are_text_in_a_prompt() {
    let mut state = state(demo());
    press(&mut state, Key::Char('/'));
    for letter in ['q', 'p', 'h', 's'] {
        assert_eq!(press(&mut state, Key::Char(letter)), []);
    }
    assert!(!state.paused);
    assert_eq!(press(&mut state, Key::Ctrl('c')), [Effect::Quit]);
}

#[test]
fn pasted_text_is_no_command() {
    let mut state = state(demo());
    assert_eq!(update(&mut state, Message::Paste("qq\n".to_owned())), []);
    press(&mut state, Key::Char('/'));
    update(&mut state, Message::Paste("vic\n\x1b".to_owned()));
    assert_eq!(names(&state), ["victim"]);
}

#[test]
fn an_interval_is_set() {
    let mut state = state(demo());
    press(&mut state, Key::Char('d'));
    type_in(&mut state, "0.5");
    let half = Duration::from_millis(500);
    assert_eq!(press(&mut state, Key::Enter), [Effect::SetInterval(half)]);
    assert_eq!((state.interval, &state.overlay), (half, &None));
}

#[test]
fn an_interval_out_of_bounds_is_refused() {
    let mut state = state(demo());
    press(&mut state, Key::Char('d'));
    type_in(&mut state, "0.01");
    assert_eq!(press(&mut state, Key::Enter), []);
    let Some(Overlay::Interval(prompt)) = &state.overlay else { panic!("no prompt") };
    assert!(prompt.error.is_some());
    press(&mut state, Key::Ctrl('u'));
    assert_eq!(press(&mut state, Key::Enter), [], "nothing typed changes nothing");
    assert_eq!((state.interval, &state.overlay), (Duration::from_secs(1), &None));
}
