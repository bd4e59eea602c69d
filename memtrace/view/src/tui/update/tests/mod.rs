//! What each key does.

mod panes;
mod prompts;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::{Effect, Message, update};
use crate::columns::{ColumnId, Sort};
use crate::tui::TopOptions;
use crate::tui::key::Key;
use crate::tui::state::{Overlay, Screen, State};
use memtrace_core::fixture;
use memtrace_core::live::Latest;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::units::{Nanos, WallNanos};

fn state(vms: Vec<VmView>) -> State {
    let options = TopOptions::default();
    let mut state = State::new(&options, Duration::from_secs(1), (80, 24), TimeZone::UTC);
    receive(&mut state, 0, vms);
    state
}

fn receive(state: &mut State, second: u64, vms: Vec<VmView>) -> Vec<Effect> {
    let wall = WallNanos(fixture::WALL.0 + second * Nanos::SECOND.0);
    let snapshot = Snapshot { wall, ..fixture::snapshot(vms) };
    update(state, Message::Latest(Latest::Snapshot(Arc::new(snapshot))))
}

fn demo() -> Vec<VmView> {
    vec![fixture::noisy(), fixture::victim(), fixture::vm("idle", 4400)]
}

fn press(state: &mut State, key: Key) -> Vec<Effect> {
    update(state, Message::Key(key))
}

fn type_in(state: &mut State, text: &str) {
    for letter in text.chars() {
        press(state, Key::Char(letter));
    }
}

fn selected(state: &State) -> &str {
    state.selected_vm().map_or("", |vm| vm.name.as_str())
}

fn names(state: &State) -> Vec<&str> {
    state.rows().iter().map(|row| row.vm.name.as_str()).collect()
}

#[test]
fn the_selection_moves_and_stops_at_the_ends() {
    let mut state = state(demo());
    assert_eq!(names(&state), ["noisy", "victim", "idle"]);
    for (key, then) in [
        (Key::Down, "victim"),
        (Key::Char('j'), "idle"),
        (Key::Down, "idle"),
        (Key::Char('k'), "victim"),
        (Key::Up, "noisy"),
        (Key::Up, "noisy"),
        (Key::End, "idle"),
        (Key::Home, "noisy"),
        (Key::Char('G'), "idle"),
        (Key::Char('g'), "noisy"),
        (Key::PageDown, "idle"),
        (Key::PageUp, "noisy"),
    ] {
        assert_eq!(press(&mut state, key), []);
        assert_eq!(selected(&state), then, "{key:?}");
    }
}

#[test]
fn the_selection_follows_its_vm() {
    let mut state = state(demo());
    press(&mut state, Key::Down);
    press(&mut state, Key::Char('N'));
    assert_eq!(names(&state), ["idle", "noisy", "victim"]);
    assert_eq!((selected(&state), state.cursor), ("victim", 2));
}

#[test]
fn without_a_choice_the_first_row_is_selected() {
    let mut state = state(demo());
    press(&mut state, Key::Char('N'));
    assert_eq!((selected(&state), state.cursor), ("idle", 0));
    press(&mut state, Key::Enter);
    press(&mut state, Key::Esc);
    press(&mut state, Key::Char('r'));
    assert_eq!((selected(&state), state.cursor), ("idle", 2));
}

#[test]
fn when_the_selected_vm_is_gone_its_row_is_taken_over() {
    let mut state = state(demo());
    press(&mut state, Key::Down);
    let others = || vec![fixture::noisy(), fixture::vm("idle", 4400)];
    receive(&mut state, 1, others());
    assert_eq!(selected(&state), "victim", "shown as gone for a while");
    receive(&mut state, 7, others());
    assert_eq!(selected(&state), "idle");
}

#[test]
fn keys_sort() {
    let mut state = state(demo());
    for (key, column) in [
        ('P', ColumnId::Cpu),
        ('M', ColumnId::Rss),
        ('T', ColumnId::Taken),
        ('S', ColumnId::Swap),
        ('N', ColumnId::Name),
        ('>', ColumnId::State),
        ('>', ColumnId::Memory),
        ('>', ColumnId::Target),
        ('<', ColumnId::Memory),
        ('<', ColumnId::State),
        ('<', ColumnId::Name),
        ('<', ColumnId::Cgroup),
        ('>', ColumnId::Name),
    ] {
        press(&mut state, Key::Char(key));
        assert_eq!(state.sort, Sort::by(column), "{key}");
    }
    press(&mut state, Key::Char('r'));
    assert_eq!(state.sort, Sort::by(ColumnId::Name).reversed());
    assert_eq!(names(&state), ["victim", "noisy", "idle"]);
}

#[test]
fn the_arrows_scroll_the_columns_from_the_first_to_the_last() {
    let mut state = state(demo());
    let sort = state.sort;
    press(&mut state, Key::Left);
    assert_eq!(state.skipped, 0);
    press(&mut state, Key::Right);
    assert_eq!((state.skipped, state.sort), (1, sort));
    for _ in 0..40 {
        press(&mut state, Key::Right);
    }
    let last = state.skipped;
    assert!((5..20).contains(&last), "{last}");
    press(&mut state, Key::Left);
    assert_eq!(state.skipped, last - 1);
    update(&mut state, Message::Resize(250, 24));
    press(&mut state, Key::Left);
    assert_eq!(state.skipped, 0, "all of them are seen");
}

#[test]
fn the_menu_sorts() {
    let mut state = state(demo());
    press(&mut state, Key::Char('s'));
    assert_eq!(state.overlay, Some(Overlay::SortMenu { index: ColumnId::Stall as usize }));
    press(&mut state, Key::Down);
    press(&mut state, Key::Enter);
    assert_eq!((state.sort, &state.overlay), (Sort::by(ColumnId::Caused), &None));
    // The same column again turns the order round.
    press(&mut state, Key::Char('s'));
    press(&mut state, Key::Enter);
    assert_eq!(state.sort, Sort::by(ColumnId::Caused).reversed());
    press(&mut state, Key::Char('s'));
    press(&mut state, Key::Home);
    press(&mut state, Key::Esc);
    assert_eq!(state.sort.column, ColumnId::Caused);
}

#[test]
fn while_paused_the_screen_stays_and_then_shows_the_newest() {
    let mut state = state(demo());
    press(&mut state, Key::Char('p'));
    receive(&mut state, 1, vec![fixture::vm("later", 1)]);
    receive(&mut state, 2, vec![fixture::vm("last", 2)]);
    assert_eq!(names(&state), ["noisy", "victim", "idle"]);
    press(&mut state, Key::Char(' '));
    assert!(!state.paused);
    assert!(names(&state).contains(&"last") && !names(&state).contains(&"later"));
}

#[test]
fn detail_opens_and_asks_for_threads() {
    let mut state = state(demo());
    let id = state.selected;
    assert_eq!(press(&mut state, Key::Enter), [Effect::SetDetail(id)]);
    assert_eq!(state.screen, Screen::Detail { scroll: 0 });
    press(&mut state, Key::Down);
    assert_eq!(state.screen, Screen::Detail { scroll: 1 });
    let effects = press(&mut state, Key::Tab);
    assert_eq!((effects, selected(&state)), (vec![Effect::SetDetail(state.selected)], "victim"));
    assert_eq!(state.screen, Screen::Detail { scroll: 0 });
    press(&mut state, Key::BackTab);
    assert_eq!(press(&mut state, Key::BackTab), [], "there is nothing before the first");
    assert_eq!(press(&mut state, Key::Esc), [Effect::SetDetail(None)]);
    assert_eq!(state.screen, Screen::Table);
}

#[test]
fn detail_scrolls_to_its_end_and_no_further() {
    let mut state = state(demo());
    press(&mut state, Key::Enter);
    press(&mut state, Key::End);
    let Screen::Detail { scroll } = state.screen else { panic!("no detail") };
    assert!(scroll > 0);
    press(&mut state, Key::Down);
    assert_eq!(state.screen, Screen::Detail { scroll });
    press(&mut state, Key::Home);
    assert_eq!(state.screen, Screen::Detail { scroll: 0 });
}

#[test]
fn detail_without_a_vm_does_not_open() {
    let mut state = state(Vec::new());
    assert_eq!(press(&mut state, Key::Enter), []);
    assert_eq!(state.screen, Screen::Table);
}

#[test]
fn detail_of_a_vm_that_is_gone_for_good_closes() {
    let mut state = state(demo());
    press(&mut state, Key::Enter);
    assert_eq!(receive(&mut state, 1, Vec::new()), []);
    assert_eq!(receive(&mut state, 7, Vec::new()), [Effect::SetDetail(None)]);
    assert_eq!(state.screen, Screen::Table);
    assert!(state.remark.is_some());
}

#[test]
fn help_opens_over_everything_and_leads_back() {
    for key in [Key::Char('h'), Key::Char('?'), Key::Function(1)] {
        for back in [Key::Esc, Key::Char('q'), Key::Char('h')] {
            let mut state = state(demo());
            press(&mut state, Key::Enter);
            press(&mut state, key);
            assert_eq!(state.overlay, Some(Overlay::Help { scroll: 0 }));
            press(&mut state, Key::Down);
            assert_eq!(state.overlay, Some(Overlay::Help { scroll: 1 }));
            assert_eq!(press(&mut state, back), []);
            assert_eq!((&state.overlay, state.screen), (&None, Screen::Detail { scroll: 0 }));
        }
    }
}

#[test]
fn keys_for_the_terminal_become_effects() {
    let mut state = state(demo());
    assert_eq!(press(&mut state, Key::Char('q')), [Effect::Quit]);
    assert_eq!(press(&mut state, Key::Ctrl('c')), [Effect::Quit]);
    assert_eq!(press(&mut state, Key::Ctrl('z')), [Effect::Suspend]);
    assert_eq!(press(&mut state, Key::Ctrl('l')), [Effect::Repaint]);
}

#[test]
fn a_lower_screen_keeps_the_selection_seen() {
    let vms = (0..50).map(|n| fixture::vm(&format!("vm-{n:02}"), n + 1)).collect();
    let mut state = state(vms);
    press(&mut state, Key::End);
    update(&mut state, Message::Resize(80, 12));
    assert_eq!(selected(&state), "vm-49");
    let page = super::selection::table_page(&state);
    assert!(state.offset <= state.cursor && state.cursor < state.offset + page);
}

#[test]
fn the_end_of_the_loop_is_reported_and_the_last_snapshot_stays() {
    let mut state = state(demo());
    update(&mut state, Message::Ended);
    assert!(state.failure.is_some());
    assert_eq!(names(&state).len(), 3);
    update(&mut state, Message::Latest(Latest::Failed("no permission".into())));
    assert_eq!(state.failure.as_deref(), Some("no permission"));
}
