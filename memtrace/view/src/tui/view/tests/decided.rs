//! Screens of decisions.

use super::*;
use memtrace_core::reactor::Decided;

/// A view of the demo that has heard this, and then seen these keys.
fn told(size: (u16, u16), decided: Decided, keys: &str) -> State {
    let mut state = state(size, &[fixture::demo()], "");
    update(&mut state, Message::Decided(decided));
    for letter in keys.chars() {
        let key = if letter == '\n' { Key::Enter } else { Key::Char(letter) };
        update(&mut state, Message::Key(key));
    }
    state
}

macro_rules! told {
    ($($name:ident: $decided:expr, $keys:expr, [$($size:expr),+];)*) => {$(
        #[test]
        fn $name() {
            for size in [$($size),+] {
                let name = format!("{}_{}x{}", stringify!($name), size.0, size.1);
                insta::assert_snapshot!(name, screen(&told(size, $decided, $keys)));
            }
        }
    )*};
}

const LOW: (u16, u16) = (60, 12);

told! {
    policy: fixture::observed(), "", [SMALL, LARGE, LOW];
    policy_of_another: fixture::enforced(), "", [SMALL];
    policy_not_configured: Decided::Not("invalid configuration:\nline 3".into()), "", [SMALL];
    decisions: fixture::observed(), "D", [SMALL, LARGE, TINY];
    decisions_of_another: fixture::enforced(), "D", [SMALL];
    no_decisions: Decided::Not("no decision yet".into()), "D", [SMALL];
    explanation: fixture::observed(), "ge", [SMALL, LARGE, TINY];
    explanation_scrolled: fixture::observed(), "geG", [SMALL];
    explanation_by_another: fixture::enforced(), "Ge", [LARGE];
    explanation_of_nothing: Decided::Not("no configuration".into()), "e", [SMALL];
}

#[test]
fn a_target_is_shown_wherever_it_was_told_first() {
    let mut state = told(LARGE, fixture::enforced(), "");
    let has_target = |state: &State| screen(state).contains("1.5G");
    assert!(has_target(&state));
    // A snapshot that comes after it.
    update(&mut state, Message::Latest(Latest::Snapshot(fixture::demo())));
    assert!(has_target(&state));
    update(&mut state, Message::Decided(Decided::Not("gone".into())));
    assert!(!has_target(&state));
}

#[test]
fn a_paused_screen_keeps_its_decisions() {
    let mut state = told(SMALL, fixture::observed(), "p");
    let paused = screen(&state);
    update(&mut state, Message::Decided(fixture::enforced()));
    assert_eq!(screen(&state), paused);
    update(&mut state, Message::Key(Key::Char('p')));
    assert!(screen(&state).contains("policy soft, enforce"));
}

#[test]
fn closed_gates_and_failures_stand_out() {
    let text = |state: &State, needle: &str| {
        let buffer = painted(state);
        let lines = letters(&buffer);
        let y = lines.lines().position(|line| line.contains(needle)).expect("it is seen");
        buffer[(12, u16::try_from(y).unwrap())].fg
    };
    let explained = told(LARGE, fixture::observed(), "ge");
    assert_eq!(text(&explained, "CLOSED at ease"), ratatui::style::Color::Yellow);
    let decided = told(LARGE, fixture::enforced(), "D");
    assert_eq!(text(&decided, "FAILED"), ratatui::style::Color::Red);
}
