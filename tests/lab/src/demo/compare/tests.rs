//! Rows of the comparison, and their verdicts.

use std::collections::BTreeMap;

use memtrace_host::taskstats::Reclaims;

use super::super::kernel::GuestCounters;
use super::*;

const GUESTS: [Name<'static>; 3] = [
    Name { name: "noisy", uuid: "n" },
    Name { name: "victim", uuid: "v" },
    Name { name: "idle", uuid: "i" },
];

/// Both sides agree; noisy did nearly everything.
fn moments() -> (Reading, Reading) {
    let mut to = Reading::default();
    let counts = [("n", 9_000, 1_000), ("v", 2_000, 100), ("i", 50, 1)];
    for (uuid, pages, reclaims) in counts {
        let totals = Totals {
            swap_in_pages: 1_000,
            swap_out_pages: 1_000 + pages,
            major_faults: Some(pages),
            direct_reclaims: 0,
            direct_reclaim_ns: 0,
            memcg_reclaims: reclaims,
            memcg_reclaim_ns: reclaims * 1_000_000,
        };
        to.memtrace.totals.insert(uuid.to_owned(), totals);
        to.kernel.guests.push(GuestCounters {
            swap_pages: pages,
            major_faults: pages,
            reclaims: Some(Reclaims { count: reclaims, nanoseconds: reclaims * 1_000_000 }),
        });
    }
    let flow = |causer: &str, victim: &str| (causer.to_owned(), victim.to_owned());
    to.memtrace.flows = BTreeMap::from([
        (flow("n", "n"), 9_000),
        (flow("n", "v"), 1_900),
        (flow("v", "v"), 100),
        (flow("n", "i"), 50),
    ]);
    let mut from = to.clone();
    for totals in from.memtrace.totals.values_mut() {
        *totals = Totals { major_faults: Some(0), ..Totals::default() };
    }
    from.memtrace.flows.clear();
    for guest in &mut from.kernel.guests {
        *guest = GuestCounters { reclaims: Some(Reclaims::default()), ..Default::default() };
    }
    (from, to)
}

fn wrong(from: &Reading, to: &Reading) -> Vec<String> {
    let table = table(GUESTS, from, to).unwrap();
    table
        .rows
        .into_iter()
        .filter(|row| !row.holds())
        .map(|row| format!("{}: {}", row.subject, row.counter))
        .collect()
}

#[test]
fn nothing_is_wrong_when_both_sides_agree() {
    let (from, to) = moments();
    assert_eq!(wrong(&from, &to), [""; 0]);
    assert_eq!(table(GUESTS, &from, &to).unwrap().rows.len(), 14);
}

#[test]
fn each_counter_that_is_off_is_named() {
    let (from, mut to) = moments();
    let totals = to.memtrace.totals.get_mut("v").unwrap();
    totals.swap_in_pages += 100;
    totals.major_faults = totals.major_faults.map(|faults| faults - 100);
    totals.memcg_reclaims += 10;
    assert_eq!(
        wrong(&from, &to),
        [
            "victim: swap-outs less swap-ins, pages",
            "victim: major faults",
            "victim: direct and memcg reclaims"
        ]
    );
}

#[test]
fn blame_that_falls_on_the_wrong_guest_is_wrong() {
    let (from, mut to) = moments();
    to.memtrace.flows = to
        .memtrace
        .flows
        .iter()
        .map(|((_, v), pages)| (("i".to_owned(), v.clone()), *pages))
        .collect();
    assert_eq!(
        wrong(&from, &to),
        [
            "noisy: first by caused, % of pages taken",
            "victim: its pages taken by noisy, %",
            "idle: caused, % of pages taken"
        ]
    );
}

#[test]
fn a_run_in_which_nothing_was_taken_is_wrong() {
    let (from, _) = moments();
    assert!(!wrong(&from, &from).is_empty());
}

#[test]
fn without_delay_accounting_it_is_said() {
    let (mut from, mut to) = moments();
    for moment in [&mut from, &mut to] {
        for guest in &mut moment.kernel.guests {
            guest.reclaims = None;
        }
    }
    assert!(!table(GUESTS, &from, &to).unwrap().skipped.is_empty());
}
