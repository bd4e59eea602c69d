//! The rings that sparklines are drawn from.

use crate::fixture::samples::{counting, sample, vm};
use crate::model::history::{MOST_VMS, Metric, POINTS};
use crate::model::{History, Snapshot, derive};
use crate::sample::{VmId, VmSample};

/// A snapshot in which these VMs had that many faults per second.
fn snapshot(vms: &[(u32, u64)]) -> Snapshot {
    let before = vms.iter().map(|(pid, _)| vm("a", *pid)).collect();
    let now = vms
        .iter()
        .map(|(pid, faults)| counting(vm("a", *pid), |counters| counters.guest_faults = *faults));
    derive(Some(&sample(10, before)), &sample(11, now.collect()))
}

fn id(pid: u32) -> VmId {
    vm("a", pid).id
}

#[test]
fn points_come_oldest_first() {
    let mut history = History::default();
    for faults in [1, 2, 3] {
        history.push(&snapshot(&[(7, faults)]));
    }
    assert_eq!(history.points(id(7), Metric::Faults), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(history.points(id(8), Metric::Faults), []);
}

#[test]
fn an_absent_value_is_a_gap_and_not_a_zero() {
    let mut history = History::default();
    history.push(&derive(None, &sample(10, vec![vm("a", 7)])));
    assert_eq!(history.points(id(7), Metric::Faults), [None]);
    assert!(history.points(id(7), Metric::Rss).iter().all(Option::is_some));
}

#[test]
fn a_vm_that_is_away_leaves_gaps_so_that_time_stays_aligned() {
    let mut history = History::default();
    history.push(&snapshot(&[(7, 1), (8, 1)]));
    history.push(&snapshot(&[(8, 2)]));
    history.push(&snapshot(&[(7, 3), (8, 3)]));
    assert_eq!(history.points(id(7), Metric::Faults), [Some(1.0), None, Some(3.0)]);
}

#[test]
fn the_ring_is_bounded() {
    let mut history = History::default();
    for faults in 0..POINTS as u64 + 5 {
        history.push(&snapshot(&[(7, faults)]));
    }
    let points = history.points(id(7), Metric::Faults);
    assert_eq!((points.len(), points.first()), (POINTS, Some(&Some(5.0))));
}

#[test]
fn a_vm_gone_for_a_whole_ring_is_dropped() {
    let mut history = History::default();
    history.push(&snapshot(&[(7, 1)]));
    for _ in 1..POINTS {
        history.push(&snapshot(&[]));
    }
    assert_eq!(history.vms(), 1);
    history.push(&snapshot(&[]));
    assert_eq!(history.vms(), 0);
}

#[test]
fn beyond_the_most_vms_those_longest_gone_are_dropped() {
    let pids = |from: u32| -> Vec<(u32, u64)> {
        (from..from + MOST_VMS as u32).map(|pid| (pid, 0)).collect()
    };
    let mut history = History::default();
    history.push(&snapshot(&[(1, 0)]));
    history.push(&snapshot(&pids(100)));
    assert_eq!(history.vms(), MOST_VMS);
    assert_eq!(history.points(id(1), Metric::Rss), []);
    assert_eq!(history.points(id(100), Metric::Rss).len(), 1);
}

#[test]
fn two_rows_of_one_identity_are_one_point() {
    let mut history = History::default();
    let twin = |pid| VmSample { id: id(7), ..vm("a", pid) };
    history.push(&derive(None, &sample(10, vec![twin(7), twin(8)])));
    assert_eq!(history.points(id(7), Metric::Rss).len(), 1);
}
