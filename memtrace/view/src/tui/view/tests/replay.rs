//! Screens of a recording.

use super::*;
use memtrace_core::replay::order::{Mark, Place};

/// A view of the demo's recording that stands so, and then sees these keys.
fn replayed(size: (u16, u16), place: &Place, keys: &str) -> State {
    let mut state = state(size, &[fixture::demo()], "");
    update(&mut state, Message::Replay(place.clone()));
    update(&mut state, Message::Decided(fixture::observed()));
    for letter in keys.chars() {
        update(&mut state, Message::Key(Key::Char(letter)));
    }
    state
}

#[test]
fn replay() {
    let lost = "a.mtrec: cut at byte 7180; 25 bytes lost, number of samples unknown";
    let place = Place { losses: [lost.to_owned()].into(), ..Place::default() };
    insta::assert_snapshot!("replay_80x24", screen(&replayed(SMALL, &place, "")));
    insta::assert_snapshot!("replay_140x40", screen(&replayed(LARGE, &place, "J14:0")));
    insta::assert_snapshot!("replay_20x5", screen(&replayed(TINY, &place, "")));
    insta::assert_snapshot!("replay_decisions_80x24", screen(&replayed(SMALL, &place, "D")));
}

#[test]
fn the_first_line_says_how_it_stands() {
    for (place, told) in [
        (Place { playing: true, ..Place::default() }, "2026-11-22 21:31:05  every 1s"),
        (Place::default(), "PAUSED (Space: resume)"),
        (Place { ended: true, ..Place::default() }, "END of the recording"),
        (Place { finding: Some(Mark::Alert), ..Place::default() }, "searching the next alert"),
    ] {
        let screen = screen(&replayed(LARGE, &place, ""));
        let first = screen.lines().next().unwrap_or_default();
        assert!(first.contains("REPLAY") && first.contains(told), "{first}");
    }
}
