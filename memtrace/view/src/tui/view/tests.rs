//! Snapshots of whole screens, and the promise that no screen is too small.

mod decided;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw;
use crate::tui::TopOptions;
use crate::tui::key::Key;
use crate::tui::state::State;
use crate::tui::update::{Message, update};
use memtrace_core::fixture;
use memtrace_core::live::Latest;
use memtrace_core::model::Snapshot;
use memtrace_core::sample::{Notice, Topic};
use memtrace_core::text;
use memtrace_core::units::{Nanos, Percent, WallNanos};

/// A view of this size that has seen these snapshots and then these keys.
fn state(size: (u16, u16), snapshots: &[Arc<Snapshot>], keys: &str) -> State {
    let options = TopOptions { color: true, ..TopOptions::default() };
    let mut state = State::new(&options, Duration::from_secs(1), size, TimeZone::UTC);
    for snapshot in snapshots {
        update(&mut state, Message::Latest(Latest::Snapshot(snapshot.clone())));
    }
    for letter in keys.chars() {
        let key = match letter {
            '\n' => Key::Enter,
            '\u{1b}' => Key::Esc,
            letter => Key::Char(letter),
        };
        update(&mut state, Message::Key(key));
    }
    state
}

#[test]
fn the_first_line_tells_who_takes_the_samples() {
    let mut state = state((80, 24), &[fixture::demo()], "");
    state.from = Some("memtrace exporter (process 2957)".to_owned());
    let text = screen(&state);
    let first = text.lines().next().expect("there is one");
    assert!(first.ends_with("  every 1s  from memtrace exporter (process 2957)"), "{first}");
}

#[test]
fn threads_that_another_memtrace_does_not_read_are_told() {
    let shown = |from: Option<&str>| {
        let mut state = state(LARGE, &[fixture::without_kernel_side()], "\n");
        state.from = from.map(str::to_owned);
        let text = screen(&state);
        ["available after the next sample", "not in the samples of another memtrace"]
            .map(|why| text.contains(why))
    };
    let both = (shown(None), shown(Some("memtrace exporter (process 42)")));
    assert_eq!(both, ([true, false], [false, true]));
}

fn painted(state: &State) -> Buffer {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    let mut buffer = Buffer::empty(area);
    draw(&mut buffer, area, state);
    buffer
}

fn screen(state: &State) -> String {
    letters(&painted(state))
}

/// What is to be read, without looks; what follows a wide character is part of it.
fn letters(buffer: &Buffer) -> String {
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        let mut line = String::new();
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(text::width(symbol).max(1)).unwrap();
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// A minute of the demo, for histories.
fn minute() -> Vec<Arc<Snapshot>> {
    let demo = fixture::demo();
    (0..60_u32)
        .map(|second| {
            let mut snapshot = Snapshot::clone(&demo);
            snapshot.wall = WallNanos(demo.wall.0 + u64::from(second) * Nanos::SECOND.0);
            let stalled = f64::from(second % 20) * 2.0;
            snapshot.vms[0].stalled = memtrace_core::model::Measured::exact(Percent(stalled));
            Arc::new(snapshot)
        })
        .collect()
}

#[test]
fn scrolled_columns_80x24() {
    let mut state = state((80, 24), &minute()[..1], "");
    for _ in 0..40 {
        update(&mut state, Message::Key(Key::Right));
    }
    insta::assert_snapshot!("scrolled_columns_80x24", screen(&state));
    state.columns = vec![crate::columns::ColumnId::Cpu, crate::columns::ColumnId::Limit];
    insta::assert_snapshot!("chosen_columns_80x24", screen(&state));
}

fn notices(texts: &[&str]) -> Vec<Notice> {
    let notice = |text: &&str| Notice { about: Topic::Libvirt, text: (*text).to_owned() };
    texts.iter().map(notice).collect()
}

macro_rules! screens {
    ($($name:ident: $snapshots:expr, $keys:expr, [$($size:expr),+];)*) => {$(
        #[test]
        fn $name() {
            for size in [$($size),+] {
                let name = format!("{}_{}x{}", stringify!($name), size.0, size.1);
                insta::assert_snapshot!(name, screen(&state(size, &$snapshots, $keys)));
            }
        }
    )*};
}

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (140, 40);
const HUGE: (u16, u16) = (200, 50);
const TINY: (u16, u16) = (20, 5);

screens! {
    table: [fixture::demo()], "", [SMALL, LARGE, HUGE, TINY, (60, 12)];
    empty_host: [Arc::new(fixture::snapshot(Vec::new()))], "", [SMALL, TINY];
    waiting: [], "", [SMALL, TINY];
    detail: minute(), "g\n", [SMALL, LARGE, HUGE, TINY];
    detail_scrolled: minute(), "g\nG", [SMALL];
    detail_without_kernel_side: [fixture::without_kernel_side()], "\n", [LARGE];
    detail_without_kernel_side_scrolled: [fixture::without_kernel_side()], "\nG", [LARGE];
    help: [fixture::demo()], "h", [SMALL, LARGE, TINY];
    sort_menu: [fixture::demo()], "sjj", [SMALL, TINY];
    filter_with_an_error: [fixture::demo()], "/i(", [SMALL, TINY];
    filter_that_matches: [fixture::demo()], "/^I?idle$\n", [SMALL];
    filter_that_matches_nothing: [fixture::demo()], "/web\n", [SMALL];
    interval_prompt: [fixture::demo()], "d99\n", [SMALL];
    paused: [fixture::demo()], "p", [SMALL, TINY];
    absent_signals: [fixture::without_kernel_side()], "", [SMALL];
    absent_sort_column: [fixture::without_kernel_side()], ">", [SMALL];
    hidden_sort_column: [fixture::demo()], "P", [SMALL];
    who_came_and_who_went: [fixture::demo(), Arc::new(fixture::snapshot(vec![
        fixture::victim(), fixture::vm("newcomer", 4500), fixture::vm("idle", 4400),
    ]))], "N", [SMALL];
    names_of_all_kinds: [Arc::new(fixture::snapshot(vec![
        fixture::vm("数据库服务器", 1),
        fixture::vm("gäste wlan", 2),
        fixture::vm("🚀 launch", 3),
        fixture::vm("a-name-that-is-longer-than-any-column", 4),
        fixture::vm("evil\x1b[2J\nname", 5),
        fixture::vm("", 6),
    ]))], "N", [SMALL, LARGE];
}

#[test]
fn bad_news() {
    let mut snapshot = Snapshot::clone(&fixture::demo());
    snapshot.notices = notices(&["gone; what it knew of 3 VMs is 12 s old", "qmp: timed out"]);
    snapshot.host.losses.value =
        Some(memtrace_core::model::snapshot::Losses { events: 12, slots: 3, ..Default::default() });
    let mut state = state(SMALL, &[Arc::new(snapshot)], "");
    insta::assert_snapshot!("bad_news", screen(&state));
    update(&mut state, Message::Latest(Latest::Failed("out of memory".into())));
    insta::assert_snapshot!("loop_failed", screen(&state));
}

#[test]
fn a_wait_for_another_memtrace_is_told_until_there_is_a_sample() {
    let mut state = state(SMALL, &[fixture::demo()], "");
    update(&mut state, Message::From("memtrace exporter (process 41)".to_owned()));
    let ended = "memtrace exporter (process 41) has ended";
    update(&mut state, Message::Latest(Latest::Waiting(ended.into())));
    let told = format!("waiting for samples: {ended}");
    assert!(screen(&state).contains(&told), "{}", screen(&state));
    state.size = (40, 5);
    assert!(screen(&state).contains("waiting"), "{}", screen(&state));
    state.size = SMALL;
    update(&mut state, Message::From("memtrace mitigate (process 42)".to_owned()));
    update(&mut state, Message::Latest(Latest::Snapshot(fixture::demo())));
    let text = screen(&state);
    assert!(!text.contains("waiting") && text.contains("(process 42)"), "{text}");
}

#[test]
fn many_vms_scroll_and_the_selection_stays_seen() {
    let vms = (0..40).map(|n| fixture::vm(&format!("vm-{n:02}"), 100 + n)).collect();
    let state = state(SMALL, &[Arc::new(fixture::snapshot(vms))], "Gkk");
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn without_colours_nothing_has_one() {
    let mut state = state(SMALL, &[fixture::demo()], "");
    state.color = false;
    let buffer = painted(&state);
    let reset = ratatui::style::Color::Reset;
    assert!(buffer.content.iter().all(|cell| cell.fg == reset && cell.bg == reset));
}

#[test]
fn stalls_are_red_and_overcommitment_is_yellow() {
    let mut vms = vec![fixture::noisy()];
    vms.extend((1..=5).map(|pid| fixture::vm("idle", pid)));
    let state = state(SMALL, &[Arc::new(fixture::snapshot(vms))], "j");
    let buffer = painted(&state);
    let color_of = |needle: &str| {
        let screen = letters(&buffer);
        let (y, line) = screen.lines().enumerate().find(|(_, line)| line.contains(needle)).unwrap();
        let x = line[..line.find(needle).unwrap()].chars().count();
        buffer[(u16::try_from(x).unwrap(), u16::try_from(y).unwrap())].fg
    };
    assert_eq!(color_of("38.4%"), ratatui::style::Color::Red);
    assert_eq!(color_of("24G allocated"), ratatui::style::Color::Yellow);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_keys_on_any_screen_are_drawn(
        keys in prop::collection::vec(any_key(), 0..40),
        sizes in prop::collection::vec((1_u16..220, 1_u16..60), 1..4),
    ) {
        let snapshots = [fixture::demo(), fixture::without_kernel_side(), fixture::demo()];
        let mut state = state(sizes[0], &snapshots[..1], "");
        if keys.len() % 2 == 0 {
            update(&mut state, Message::Replay(memtrace_core::replay::order::Place::default()));
        }
        for (index, key) in keys.iter().enumerate() {
            let size = sizes[index % sizes.len()];
            update(&mut state, Message::Resize(size.0, size.1));
            update(&mut state, Message::Key(*key));
            if index % 5 == 0 {
                let snapshot = snapshots[index / 5 % 3].clone();
                update(&mut state, Message::Latest(Latest::Snapshot(snapshot)));
                update(&mut state, Message::Decided(fixture::observed()));
            }
            screen(&state);
        }
    }

    #[test]
    fn every_small_size_is_drawn(width in 1_u16..30, height in 1_u16..12, keys in "[\n\u{1b}hsdDe/pjG>]{0,4}") {
        screen(&state((width, height), &[fixture::demo()], &keys));
        screen(&state((width, height), &[], &keys));
    }
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => prop::char::range(' ', '~').prop_map(Key::Char),
        6 => prop::sample::select("hsdDe/pqrPMTSN<>jkgG?".chars().collect::<Vec<_>>())
            .prop_map(Key::Char),
        4 => prop::sample::select(vec![
            Key::Enter, Key::Esc, Key::Backspace, Key::Tab, Key::BackTab, Key::Up, Key::Down,
            Key::Left, Key::Right, Key::PageUp, Key::PageDown, Key::Home, Key::End,
            Key::Function(1), Key::Ctrl('u'), Key::Ctrl('l'),
        ]),
        1 => any::<char>().prop_map(Key::Char),
    ]
}

#[test]
fn a_key_switches_between_the_names_and_ids_of_platforms() {
    let mut snapshot = Snapshot::clone(&fixture::demo());
    snapshot.vms[0].labels = fixture::labels();
    let own = snapshot.vms[0].name.clone();
    let seen = |keys| screen(&state(LARGE, &[Arc::new(snapshot.clone())], keys));
    for (keys, shown) in [("", "shop/cart-db"), ("i", "0b6f2d84"), ("ii", "shop/cart-db")] {
        let screen = seen(keys);
        assert!(screen.contains(shown) && !screen.contains(&own), "{keys}: {screen}");
    }
    let detail = seen("N\n");
    for shown in ["nova, id 0b6f2d84", "flavour=m1.small, team=payments"] {
        let all = format!("{detail}{}", seen("\n"));
        assert!(all.contains(shown), "{shown}: {all}");
    }
}
