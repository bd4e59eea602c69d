//! A process is entered by a program while user space takes its mark away: whatever comes
//! first, the mark is there in the end.

use std::cell::Cell;

use memtrace_ebpf::entered;

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
fn who_is_in_the_table_already_is_left_to_whoever_entered_it() {
    let marked = Cell::new(false);
    assert!(!entered(|| false, || marked.set(true)));
    assert!(!marked.get());
}
