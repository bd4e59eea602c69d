//! Rows of a trial whose two sides agree, and of trials in which something is off.

use super::course::{Course, why_skipped, wrong};
use super::*;
use crate::command::selftest::subject::Checked;
use memtrace_core::accuracy::table::Verdict;
use memtrace_core::fixture::samples::{flow, party, set_signal};
use memtrace_core::signal::{Quality, Signal};

#[test]
fn nothing_is_wrong_when_both_sides_agree() {
    let table = Course::new().table();
    assert_eq!(wrong(&table), [""; 0]);
    assert_eq!(table.rows.len(), 18);
    let judged = |verdict| table.rows.iter().filter(|row| row.verdict() == verdict).count();
    assert_eq!((judged(Verdict::Exact), judged(Verdict::Approximate)), (18, 0));
}

#[test]
fn numbers_are_what_a_user_sees_times_the_interval() {
    let table = Course::new().table();
    let of = |counter: &str| {
        let row = table.rows.iter().find(|row| row.counter == counter).unwrap();
        (row.memtrace, row.kernel)
    };
    assert_eq!(of("swap-outs less swap-ins, pages"), (2_000.0, 2_000.0));
    assert_eq!(of("pages read from swap"), (10_005.0, 10_010.0));
    assert_eq!(of("major faults"), (4_000.0, 4_000.0));
    assert_eq!(of("asynchronous faults done"), (300.0, 300.0));
    assert_eq!(of("direct and memcg reclaims"), (500.0, 502.0));
    assert_eq!(of("time in reclaim, ms"), (1_000.0, 990.0));
    assert_eq!(of("pages taken"), (12_000.0, 12_000.0));
    assert_eq!(of("refaults, pages"), (10_025.0, 10_025.0));
}

#[test]
fn each_number_that_is_off_is_named() {
    type Change = fn(&mut Course);
    let cases: [(Change, &str); 13] = [
        (|c| c.counters(0).swap_out_pages += 40, "guest: pages taken, by causer"),
        (|c| c.to.guest.swap_pages += 40, "guest: swap-outs less swap-ins, pages (VmSwap)"),
        (|c| c.stat().pswpin = Some(10_200), "guest: pages read from swap (memory.stat pswpin)"),
        (
            |c| c.stat().workingset_refault_anon = Some(10_400),
            "guest: swap-ins, pages (memory.stat",
        ),
        (|c| c.stat().pgmajfault = Some(4_060), "guest: major faults (memory.stat pgmajfault)"),
        (|c| c.counters(0).async_faults_done -= 1, "guest: asynchronous faults done"),
        (|c| c.to.guest.reclaims = Some(520), "guest: direct and memcg reclaims"),
        (|c| c.to.guest.limit_hits = Some(499), "guest: memcg reclaims (memory.events max)"),
        (|c| c.to.guest.reclaim_ns = Some(1_100_000_000), "guest: time in reclaim, ms (taskstats"),
        (|c| c.to.guest.pressure_us = Some(900_000), "guest: time in reclaim, ms (memory.pressure"),
        (|c| c.stat().pgsteal = Some(12_400), "guest: pages taken (memory.stat pgsteal"),
        (|c| c.counters(1).swap_out_pages += 17, "bystander: swap-outs less swap-ins, pages"),
        (|c| c.counters(1).memcg_reclaims += 1, "bystander: direct and memcg reclaims"),
    ];
    for (change, expected) in cases {
        let mut course = Course::new();
        change(&mut course);
        let wrong = wrong(&course.table());
        assert!(wrong.iter().any(|row| row.starts_with(expected)), "{expected}: {wrong:?}");
    }
}

#[test]
fn pages_that_others_took_are_not_its_own_doing() {
    let mut course = Course::new();
    let (guest, bystander) = (&course.to.sample.vms[0], &course.to.sample.vms[1]);
    let (itself, other) = (party(guest), party(bystander));
    course.to.sample.flows = Some(vec![flow(itself, itself, 5_000), flow(other, itself, 7_000)]);
    let wrong = wrong(&course.table());
    assert!(wrong.iter().any(|row| row.contains("taken by itself")), "{wrong:?}");
    assert!(wrong.iter().any(|row| row.starts_with("bystander: pages that it took")), "{wrong:?}");
}

#[test]
fn kernel_workers_take_on_behalf_of_a_kvm_guest_alone() {
    let mut course = Course::new();
    let itself = party(&course.to.sample.vms[0]);
    course.to.sample.flows =
        Some(vec![flow(itself, itself, 2_000), flow(Party::Other, itself, 10_000)]);
    assert_eq!(wrong(&course.table()), [""; 0]);
    course.kvm = false;
    course.counters(0).guest_faults = 0;
    assert!(wrong(&course.table()).iter().any(|row| row.contains("taken by itself")));
}

#[test]
fn pages_that_come_back_from_the_swap_cache_are_no_refaults_and_not_stolen() {
    let mut course = Course::new();
    course.stat().workingset_refault_anon = Some(6_000);
    course.stat().pswpin = None;
    course.stat().pgsteal = Some(8_000);
    let table = course.table();
    // Of the refaults memtrace's side says what it said before.
    assert!(wrong(&table).iter().all(|row| row.contains("refaults, pages")), "{table}");
    assert_eq!(
        why_skipped(&table, Checked::Signal(Signal::SwapIn)),
        Some("no memory.stat pswpin on this host")
    );
}

#[test]
fn pages_read_are_compared_where_a_hook_counts_them() {
    let mut course = Course::new();
    for status in &mut course.to.sample.signals {
        status.hooked = status.signal != Signal::MajorFaults;
    }
    assert_eq!(
        why_skipped(&course.table(), Checked::Signal(Signal::SwapIn)),
        Some("no hook counts it")
    );
}

#[test]
fn where_workers_are_charged_the_limits_hits_are_all_and_the_delays_a_part() {
    let mut course = Course::new();
    course.charges_workers(Quality::Exact);
    course.counters(0).memcg_reclaims = 560;
    course.counters(0).memcg_reclaim_ns = 5_000_000_000;
    assert_eq!(wrong(&course.table()), [""; 0]);
    assert!(course.table().skipped.iter().any(|row| row.reason.contains("kernel workers")));
    course.to.guest.limit_hits = Some(600);
    course.to.guest.reclaims = Some(700);
    course.to.guest.reclaim_ns = Some(6_000_000_000);
    let wrong = wrong(&course.table());
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}

#[test]
fn huge_pages_that_a_limit_refuses_may_be_among_its_hits() {
    let mut course = Course::new();
    course.charges_workers(Quality::Exact);
    let mut compared = |reclaims, hits| {
        course.counters(0).memcg_reclaims = reclaims;
        course.to.guest.limit_hits = Some(hits);
        let table = course.table();
        let row = table.rows.iter().find(|row| row.counter == "memcg reclaims").unwrap();
        (row.kernel, row.verdict())
    };
    assert_eq!(compared(560, 560), (560.0, Verdict::Exact));
    assert_eq!(compared(560, 577), (560.0, Verdict::Exact));
    assert_eq!(compared(560, 594), (577.0, Verdict::Wrong));
    assert_eq!(compared(560, 540), (540.0, Verdict::Wrong));
}

#[test]
fn runs_that_the_kernel_left_out_leave_a_doubt_in_the_pages_read() {
    let mut course = Course::new();
    let missed = [(Signal::MajorFaults, 100)];
    course.to.sample.host.counters.get_or_insert_default().missed_by_signal = missed.into();
    let table = course.table();
    let row = table.rows.iter().find(|row| row.counter == "pages read from swap").unwrap();
    assert_eq!(row.quality.reason(), Some("100 of its events were not counted"));
}

#[test]
fn a_process_has_its_own_faults_and_no_asynchronous_ones() {
    let mut course = Course::new();
    course.kvm = false;
    course.counters(0).guest_faults = 0;
    let table = course.table();
    assert_eq!(wrong(&table), [""; 0]);
    assert!(table.rows.iter().any(|row| row.signal == Checked::Signal(Signal::UserFaults)));
    assert_eq!(
        why_skipped(&table, Checked::Signal(Signal::AsyncFaults)),
        Some("the guest is no KVM guest")
    );
}

#[test]
fn no_asynchronous_fault_is_no_row() {
    let mut course = Course::new();
    course.counters(0).async_faults = 0;
    course.counters(0).async_faults_done = 0;
    let table = course.table();
    let skipped: Vec<Checked> = table
        .skipped
        .iter()
        .filter(|skipped| skipped.did_not_occur)
        .map(|skipped| skipped.signal)
        .collect();
    assert_eq!(skipped, [Checked::Signal(Signal::AsyncFaults)]);
}

#[test]
fn without_pressure_its_rows_are_skipped_with_the_reason() {
    let table = Course::new().table_pressed(Some("this host has no swap"));
    let signals =
        [Signal::SwapIn, Signal::SwapOut, Signal::MajorFaults, Signal::MemcgReclaim, Signal::Flows];
    for signal in signals.map(Checked::Signal).into_iter().chain([Checked::Refaults]) {
        assert_eq!(why_skipped(&table, signal), Some("this host has no swap"), "{signal}");
    }
    let left: Vec<Checked> = table.rows.iter().map(|row| row.signal).collect();
    let expected = [Signal::GuestFaults, Signal::SwapOut, Signal::Flows, Signal::MemcgReclaim];
    assert_eq!(left, expected.map(Checked::Signal));
}

#[test]
fn values_that_memtrace_or_the_kernel_lacks_are_reported_and_never_zero() {
    let mut course = Course::new();
    set_signal(&mut course.to.sample, Signal::SwapOut, Quality::absent("no rss_stat"));
    course.to.sample.vms[0].cgroup = None;
    course.to.guest.stat = None;
    course.to.guest.reclaims = None;
    let table = course.table();
    assert_eq!(why_skipped(&table, Checked::Signal(Signal::SwapOut)), Some("no rss_stat"));
    assert_eq!(why_skipped(&table, Checked::Refaults), Some("its memory cgroup is not known"));
    let reclaims = "no taskstats freepages_count on this host";
    assert_eq!(why_skipped(&table, Checked::Signal(Signal::MemcgReclaim)), Some(reclaims));
}

#[test]
fn an_approximate_signal_is_approximate_whatever_the_difference() {
    let mut course = Course::new();
    set_signal(&mut course.to.sample, Signal::MemcgReclaim, Quality::approximate("nearly"));
    course.to.guest.reclaims = Some(1);
    let table = course.table();
    let row = table.rows.iter().find(|row| row.counter == "direct and memcg reclaims").unwrap();
    assert_eq!(row.verdict(), Verdict::Approximate);
}

#[test]
fn a_guest_that_memtrace_does_not_show_is_reported() {
    let mut course = Course::new();
    course.to.sample.vms.clear();
    let table = course.table();
    assert!(table.rows.is_empty());
    assert_eq!(
        why_skipped(&table, Checked::Signal(Signal::SwapIn)),
        Some("the guest is missing in memtrace's snapshot")
    );
}

/// kswapd took 40 pages of the guest at rest while memtrace read its side.
#[test]
fn a_guest_whose_pages_are_taken_at_rest_is_compared_within_what_was_taken() {
    let mut course = Course::new();
    let earlier = (course.to.guest.clone(), course.to.bystander.clone());
    course.to.earlier = Some(earlier);
    course.to.guest.swap_pages += 80;
    course.stat().pgsteal = Some(12_130);
    for shown in [0, 40, 80] {
        let mut course = course.clone();
        course.counters(0).swap_out_pages += shown;
        let itself = Party::Vm(course.to.sample.vms[0].id);
        course.to.sample.flows.get_or_insert_default().push(flow(Party::Kswapd, itself, shown));
        assert_eq!(wrong(&course.table()), [""; 0], "{shown} of them are in memtrace's numbers");
    }
    course.counters(0).swap_out_pages += 200;
    let wrong = wrong(&course.table());
    assert!(wrong.iter().any(|row| row.contains("VmSwap")), "{wrong:?}");
}
