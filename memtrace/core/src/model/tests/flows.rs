//! Who takes from whom, and the shares of it.

use memtrace_ebpf::VmCounters;

use crate::fixture::samples::{counting, flow, party, sample, set_signal, vm};
use crate::model::flows::MAX_FLOWS_SHOWN;
use crate::model::snapshot::VmView;
use crate::model::{Measured, Snapshot, derive};
use crate::sample::{FlowSample, Party, Sample, VmId};
use crate::signal::{Quality, Signal};
use crate::units::{Percent, Rate};

fn noisy() -> Party {
    party(&vm("noisy", 1))
}

fn victim() -> Party {
    party(&vm("victim", 2))
}

/// Two seconds of `noisy` and `victim` with these flows.
fn over(before: Vec<FlowSample>, now: Vec<FlowSample>) -> (Sample, Sample) {
    let vms = || vec![vm("noisy", 1), vm("victim", 2)];
    let (mut first, mut second) = (sample(10, vms()), sample(12, vms()));
    (first.flows, second.flows) = (Some(before), Some(now));
    (first, second)
}

fn snapshot((before, now): &(Sample, Sample)) -> Snapshot {
    derive(Some(before), now)
}

fn row<'a>(snapshot: &'a Snapshot, name: &str) -> &'a VmView {
    snapshot.vms.iter().find(|vm| vm.name == name).expect("the VM has a row")
}

#[test]
fn caused_is_the_share_of_all_pages_taken() {
    let samples = over(
        vec![flow(noisy(), victim(), 100)],
        vec![
            flow(noisy(), victim(), 130),
            flow(noisy(), noisy(), 30),
            flow(Party::Kswapd, victim(), 20),
            flow(Party::Other, Party::Other, 20),
        ],
    );
    let snapshot = snapshot(&samples);
    assert_eq!(row(&snapshot, "noisy").caused, Measured::exact(Percent(60.0)));
    assert_eq!(row(&snapshot, "noisy").caused_pages, Measured::exact(Rate(30.0)));
    assert_eq!(row(&snapshot, "victim").caused, Measured::exact(Percent(0.0)));
}

#[test]
fn shared_guest_memory_makes_flows_approximate() {
    let (before, mut now) = over(Vec::new(), vec![flow(noisy(), victim(), 2000)]);
    let mut quality = |unmapped| {
        let counters = VmCounters { shmem_taken_pages: unmapped, ..VmCounters::default() };
        now.vms[1].counters = Some(counters);
        derive(Some(&before), &now).flows.quality
    };
    assert_eq!(quality(20), Quality::Exact, "what qemu itself shares is too little to matter");
    assert!(quality(21).reason().is_some_and(|reason| reason.contains("unmapped")));
}

#[test]
fn without_pages_taken_caused_is_zero() {
    let quiet = || vec![flow(noisy(), victim(), 100)];
    let snapshot = snapshot(&over(quiet(), quiet()));
    assert_eq!(row(&snapshot, "noisy").caused, Measured::exact(Percent(0.0)));
}

#[test]
fn the_largest_flow_comes_first_and_totals_settle_ties() {
    let samples = over(
        vec![flow(noisy(), victim(), 500), flow(Party::Kswapd, noisy(), 900)],
        vec![
            flow(Party::Kswapd, noisy(), 900),
            flow(noisy(), victim(), 500),
            flow(Party::Kswapd, victim(), 10),
        ],
    );
    let flows = snapshot(&samples).flows.value.expect("the flows are known");
    let order: Vec<_> = flows.iter().map(|flow| (flow.causer, flow.pages.0)).collect();
    assert_eq!(order, [(Party::Kswapd, 5.0), (Party::Kswapd, 0.0), (noisy(), 0.0)]);
    assert_eq!(flows.iter().map(|flow| flow.total_pages).collect::<Vec<_>>(), [10, 900, 500]);
}

#[test]
fn a_pair_that_was_reset_grew_from_zero() {
    let samples = over(vec![flow(noisy(), victim(), 500)], vec![flow(noisy(), victim(), 40)]);
    let snapshot = snapshot(&samples);
    assert_eq!(row(&snapshot, "noisy").caused_pages, Measured::exact(Rate(20.0)));
}

#[test]
fn entries_of_one_pair_are_added_up() {
    let samples = over(vec![], vec![flow(noisy(), victim(), 4), flow(noisy(), victim(), 6)]);
    assert_eq!(row(&snapshot(&samples), "noisy").caused_pages, Measured::exact(Rate(5.0)));
}

#[test]
fn the_list_is_bounded_and_says_what_it_leaves_out() {
    let other = |pid| Party::Vm(VmId::Process { pid, start: 1 });
    let count = u32::try_from(MAX_FLOWS_SHOWN).expect("a small number") + 3;
    let many = (0..count).map(|pid| flow(other(pid), victim(), u64::from(pid))).collect();
    let flows = snapshot(&over(vec![], many)).flows;
    assert_eq!(flows.quality, Quality::approximate("3 smaller flows are left out"));
    assert_eq!(flows.value.map(|flows| flows.len()), Some(MAX_FLOWS_SHOWN));
}

#[test]
fn pages_without_a_pair_make_the_shares_approximate() {
    let mut samples = over(vec![], vec![flow(noisy(), victim(), 4)]);
    samples.1.host.counters.get_or_insert_default().host.lost_flow_pages = 9;
    let snapshot = snapshot(&samples);
    assert_eq!(
        row(&snapshot, "noisy").caused,
        Measured::approximate(Percent(100.0), "9 pages taken could not be assigned to a pair")
    );
}

#[test]
fn absent_flows_leave_every_share_absent_with_the_reason() {
    let mut samples = over(vec![], vec![flow(noisy(), victim(), 4)]);
    set_signal(&mut samples.1, Signal::Flows, Quality::absent("no rss_stat"));
    let snapshot = snapshot(&samples);
    assert_eq!(snapshot.flows, Measured::absent("no rss_stat"));
    assert_eq!(row(&snapshot, "noisy").caused, Measured::absent("no rss_stat"));
}

#[test]
fn a_restarted_vm_has_no_share_yet() {
    let mut samples = over(vec![], vec![flow(noisy(), victim(), 4)]);
    for vm in samples.0.vms.iter_mut().filter(|vm| vm.name == "noisy") {
        vm.pid = 99;
    }
    assert_eq!(row(&snapshot(&samples), "noisy").caused.value, None);
}

#[test]
fn flows_of_a_vm_that_ended_are_missing_and_said_so() {
    let (before, mut now) = over(vec![flow(noisy(), victim(), 4)], vec![]);
    now.vms.retain(|vm| vm.name == "victim");
    let snapshot = derive(Some(&before), &now);
    let reason = "noisy ended in the interval: what it did then is not counted";
    assert_eq!(snapshot.flows, Measured::approximate(Vec::new(), reason));
    let idle = row(&snapshot, "victim");
    assert_eq!(idle.caused, Measured::approximate(Percent(0.0), reason));
}

#[test]
fn a_vm_that_was_counted_from_its_start_has_its_share_at_once() {
    let share = |counted_from_start| {
        let mut samples = over(vec![], vec![flow(noisy(), victim(), 4)]);
        samples.0.vms.retain(|vm| vm.name != "noisy");
        for vm in &mut samples.1.vms {
            vm.counted_from_start = counted_from_start;
        }
        row(&snapshot(&samples), "noisy").caused.value
    };
    assert_eq!(share(true), Some(Percent(100.0)));
    assert_eq!(share(false), None);
}

#[test]
fn who_takes_while_the_table_of_pairs_is_full_is_told_and_doubted() {
    let (mut before, mut now) = over(Vec::new(), Vec::new());
    now.vms[0] = counting(now.vms[0].clone(), |counters| counters.caused_pages = 60);
    before.vms[0] = counting(before.vms[0].clone(), |counters| counters.caused_pages = 20);
    for (sample, lost) in [(&mut before, 0), (&mut now, 40)] {
        sample.host.counters.get_or_insert_default().host.lost_flow_pages = lost;
    }
    let snapshot = derive(Some(&before), &now);
    let row = row(&snapshot, "noisy");
    assert_eq!(row.caused.value, Some(Percent(100.0)));
    assert_eq!(row.caused_pages.value, Some(Rate(20.0)));
    assert_eq!(row.caused.quality.word(), "approximate");
}

#[test]
fn recordings_without_the_counter_have_the_flows() {
    let samples = over(Vec::new(), vec![flow(noisy(), victim(), 30)]);
    assert_eq!(row(&snapshot(&samples), "noisy").caused_pages, Measured::exact(Rate(15.0)));
}
