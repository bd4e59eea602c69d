//! Panes are opened, read, and left.

use super::*;
use memtrace_core::reactor::Decided;

#[test]
fn keys_lead_from_pane_to_pane_and_back_to_the_table() {
    let mut state = state(demo());
    let noisy = state.selected;
    for (key, screen, effects) in [
        (Key::Char('e'), Screen::Explain { scroll: 0 }, vec![]),
        (Key::Char('D'), Screen::Decisions { scroll: 0 }, vec![]),
        (Key::Char('e'), Screen::Explain { scroll: 0 }, vec![]),
        (Key::Enter, Screen::Detail { scroll: 0 }, vec![Effect::SetDetail(noisy)]),
        (Key::Char('D'), Screen::Decisions { scroll: 0 }, vec![Effect::SetDetail(None)]),
        (Key::Char('D'), Screen::Table, vec![]),
        (Key::Enter, Screen::Detail { scroll: 0 }, vec![Effect::SetDetail(noisy)]),
        (Key::Char('e'), Screen::Explain { scroll: 0 }, vec![Effect::SetDetail(None)]),
        (Key::Char('e'), Screen::Table, vec![]),
        (Key::Char('D'), Screen::Decisions { scroll: 0 }, vec![]),
        (Key::Esc, Screen::Table, vec![]),
    ] {
        assert_eq!(press(&mut state, key), effects, "{key:?}");
        assert_eq!(state.screen, screen, "{key:?}");
    }
}

#[test]
fn the_explanation_goes_from_vm_to_vm() {
    let mut state = state(demo());
    press(&mut state, Key::Char('e'));
    assert_eq!(press(&mut state, Key::Tab), []);
    assert_eq!((selected(&state), state.screen), ("victim", Screen::Explain { scroll: 0 }));
    press(&mut state, Key::BackTab);
    assert_eq!(selected(&state), "noisy");
    // The decisions are those of all VMs.
    press(&mut state, Key::Char('D'));
    press(&mut state, Key::Tab);
    assert_eq!(selected(&state), "noisy");
}

#[test]
fn a_long_explanation_scrolls_to_its_end_and_no_further() {
    let mut state = state(demo());
    update(&mut state, Message::Decided(fixture::observed()));
    press(&mut state, Key::Char('e'));
    press(&mut state, Key::End);
    let Screen::Explain { scroll: last } = state.screen else { panic!("{:?}", state.screen) };
    assert!(last > 0);
    press(&mut state, Key::Down);
    assert_eq!(state.screen, Screen::Explain { scroll: last });
    press(&mut state, Key::Home);
    assert_eq!(state.screen, Screen::Explain { scroll: 0 });
}

#[test]
fn the_explanation_of_a_vm_that_is_gone_is_left_and_decisions_stay() {
    let mut state = state(demo());
    press(&mut state, Key::Char('e'));
    let others = || vec![fixture::victim()];
    receive(&mut state, 1, others());
    assert_eq!(state.screen, Screen::Explain { scroll: 0 }, "shown as gone for a while");
    receive(&mut state, 7, others());
    assert_eq!(state.screen, Screen::Table);
    press(&mut state, Key::Char('D'));
    receive(&mut state, 8, vec![]);
    receive(&mut state, 14, vec![]);
    assert_eq!(state.screen, Screen::Decisions { scroll: 0 });
}

#[test]
fn without_a_vm_there_is_nothing_to_explain() {
    let mut state = state(vec![]);
    press(&mut state, Key::Char('e'));
    assert_eq!(state.screen, Screen::Table);
}

#[test]
fn while_it_is_paused_the_newest_decisions_wait() {
    let mut state = state(demo());
    press(&mut state, Key::Char('p'));
    update(&mut state, Message::Decided(fixture::observed()));
    assert!(matches!(state.decided, Decided::Not(_)));
    press(&mut state, Key::Char('p'));
    assert!(matches!(state.decided, Decided::Report(_)));
}
