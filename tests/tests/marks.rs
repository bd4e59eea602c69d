//! A process is entered by one side while the other one takes its mark away or refuses it:
//! whatever comes first, the mark is there in the end.

use std::cell::Cell;

use memtrace_ebpf::{MARK_ASK, MARK_NOBODY, SLOT_OTHER, entered, mark_of, refused};

/// The table and the mark of one process, which share the mark with one that has left.
#[derive(Default)]
struct Maps {
    entered: Cell<bool>,
    marked: Cell<bool>,
    found: Cell<bool>,
}

impl Maps {
    /// A step of `Processes::tidy`: the mark goes, all that are entered are looked through, and
    /// who was found gets it back.
    fn tidy(&self, step: usize) {
        match step {
            0 => self.marked.set(false),
            1 => self.found.set(self.entered.get()),
            _ => self.marked.set(self.marked.get() || self.found.get()),
        }
    }
}

#[test]
fn a_mark_that_is_taken_while_a_process_is_entered_is_there_in_the_end() {
    // How many of the two steps of entering are done before each step of tidying.
    for places in (0..27).map(|number| [number / 9, number / 3 % 3, number % 3]) {
        if !places.is_sorted() {
            continue;
        }
        let maps = Maps::default();
        let tidy = |done: usize| {
            let due = places.iter().enumerate().filter(|(_, place)| **place == done);
            due.for_each(|(step, _)| maps.tidy(step));
        };
        tidy(0);
        let steps = Cell::new(0);
        let step = |map: &Cell<bool>| {
            map.set(true);
            steps.set(steps.get() + 1);
            tidy(steps.get());
        };
        let insert = || {
            step(&maps.entered);
            true
        };
        assert!(entered(insert, || step(&maps.marked)));
        assert!(maps.marked.get(), "tidied after {places:?} of the two steps");
    }
}

#[test]
fn who_is_in_the_table_already_is_marked_all_the_same() {
    let marked = Cell::new(false);
    assert!(!entered(|| false, || marked.set(true)));
    assert!(marked.get());
}

const REFUSED: u64 = mark_of(7, SLOT_OTHER);

/// User space enters a process and marks it, each step after so many of the program's that
/// refuses it. Whether it remains refused, and its mark in the end.
fn refuse_while_entering(places: [usize; 2]) -> (bool, u64) {
    let (entered, mark, steps) = (Cell::new(false), Cell::new(MARK_NOBODY), Cell::new(0));
    let user_space = || {
        if places[0] == steps.get() {
            entered.set(true);
        }
        if places[1] == steps.get() {
            mark.set(MARK_ASK);
        }
        steps.set(steps.get() + 1);
    };
    user_space();
    let note = || {
        mark.set(REFUSED);
        user_space();
    };
    let is_entered = || {
        let found = entered.get();
        user_space();
        found
    };
    let remains = refused(note, is_entered, || mark.set(MARK_ASK));
    user_space();
    (remains, mark.get())
}

#[test]
fn a_process_that_is_refused_while_user_space_enters_it_is_found() {
    for places in (0..16).map(|number| [number / 4, number % 4]) {
        if places.is_sorted() {
            let (_, mark) = refuse_while_entering(places);
            assert_eq!(mark, MARK_ASK, "entered after {places:?} of the steps");
        }
    }
}

#[test]
fn a_process_that_nobody_enters_is_refused() {
    let never = usize::MAX;
    assert_eq!(refuse_while_entering([never, never]), (true, REFUSED));
}
