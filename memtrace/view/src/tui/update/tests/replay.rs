//! Keys that go through a recording.

use super::*;
use memtrace_core::replay::order::{Mark, Order, Place};

fn playing(vms: Vec<VmView>) -> State {
    let mut state = state(vms);
    update(&mut state, Message::Replay(Place { playing: true, ..Place::default() }));
    state
}

#[test]
fn keys_of_time_are_orders_in_a_recording_and_in_each_pane() {
    for screen in ["", "\n", "e", "D"] {
        let mut state = playing(demo());
        for letter in screen.chars() {
            press(&mut state, if letter == '\n' { Key::Enter } else { Key::Char(letter) });
        }
        let before = state.screen;
        for (key, order) in [
            ('t', Order::Next),
            ('T', Order::Back),
            (']', Order::Jump(60)),
            ('[', Order::Jump(-60)),
            ('}', Order::Jump(3600)),
            ('{', Order::Jump(-3600)),
            ('n', Order::Find(Mark::Decision)),
            ('a', Order::Find(Mark::Alert)),
            (' ', Order::Play(false)),
            ('p', Order::Play(false)),
        ] {
            assert_eq!(press(&mut state, Key::Char(key)), [Effect::Replay(order)], "{key}");
        }
        assert_eq!((state.paused, state.screen, state.sort), (false, before, Sort::default()));
    }
}

#[test]
fn on_a_live_host_there_is_no_time_to_go_through() {
    let mut state = state(demo());
    for key in ['t', ']', '[', '}', '{', 'n', 'a', 'J'] {
        assert_eq!(press(&mut state, Key::Char(key)), [], "{key}");
        assert_eq!(state.overlay, None, "{key}");
    }
}

#[test]
fn a_paused_player_resumes_with_the_same_key() {
    let mut state = playing(demo());
    update(&mut state, Message::Replay(Place::default()));
    assert_eq!(press(&mut state, Key::Char(' ')), [Effect::Replay(Order::Play(true))]);
}

#[test]
fn a_moment_is_typed() {
    let mut state = playing(demo());
    press(&mut state, Key::Char('J'));
    type_in(&mut state, "+");
    assert_eq!(press(&mut state, Key::Enter), []);
    let Some(Overlay::GoTo(prompt)) = &state.overlay else { panic!("it is still open") };
    assert!(prompt.error.as_ref().is_some_and(|error| error.contains("14:05")));
    update(&mut state, Message::Paste("1m".into()));
    let to = WallNanos(fixture::WALL.0 + 60 * Nanos::SECOND.0);
    assert_eq!(press(&mut state, Key::Enter), [Effect::Replay(Order::Go(to))]);
    assert_eq!(state.overlay, None);
    press(&mut state, Key::Char('J'));
    assert_eq!((press(&mut state, Key::Esc), &state.overlay), (Vec::new(), &None));
}

#[test]
fn after_a_jump_no_vm_is_new_or_gone_and_histories_restart() {
    let others = || vec![fixture::noisy(), fixture::vm("other", 77)];
    for (second, steady) in [(1, false), (3600, true)] {
        let mut state = playing(demo());
        receive(&mut state, second, others());
        let lives = state.rows().iter().all(|row| row.life == crate::tui::rows::Life::Steady);
        assert_eq!(lives, steady, "after {second} s");
        // And back.
        receive(&mut state, 0, demo());
        assert!(state.rows().iter().all(|row| row.life == crate::tui::rows::Life::Steady));
    }
}

#[test]
fn the_outcome_of_an_order_is_shown_until_the_next_key() {
    let mut state = playing(demo());
    let place = Place { remark: Some("no alert".into()), ..Place::default() };
    update(&mut state, Message::Replay(place.clone()));
    assert_eq!(state.remark.as_deref(), Some("no alert"));
    press(&mut state, Key::Down);
    update(&mut state, Message::Replay(Place { playing: true, ..place.clone() }));
    assert_eq!(state.remark, None);
    press(&mut state, Key::Char('a'));
    update(&mut state, Message::Replay(place));
    assert_eq!(state.remark.as_deref(), Some("no alert"), "it was asked again");
}
