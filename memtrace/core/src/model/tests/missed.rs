//! Events that the kernel left out, and what that makes of the numbers.

use crate::fixture::samples::{counting, flow, only_vm, party, sample, set_signal, vm};
use crate::model::snapshot::Snapshot;
use crate::model::{Measured, derive};
use crate::sample::{Accelerator, HooksSample, Party, Sample};
use crate::signal::{Quality, Signal, SignalStatus};
use crate::units::Nanos;

/// A second in which a VM had so many major faults and so many runs of a signal's
/// program were left out, after some of both before.
fn second(faults: u64, signal: Signal, missed: u64) -> Snapshot {
    let at = |second, faults, missed| -> Sample {
        let mut vm = counting(vm("a", 7), |counters| counters.major_faults = faults);
        // Without a kernel worker that faults for it, and without a file that tells.
        (vm.accelerator, vm.cgroup) = (Some(Accelerator::Tcg), None);
        let mut sample = sample(second, vec![vm]);
        let counters = sample.host.counters.get_or_insert_default();
        counters.missed_by_signal = [(signal, missed)].into();
        sample
    };
    derive(Some(&at(10, 500, 100)), &at(11, 500 + faults, 100 + missed))
}

fn major_faults(faults: u64, missed: u64) -> Quality {
    only_vm(second(faults, Signal::MajorFaults, missed)).major_faults.quality
}

#[test]
fn few_missed_events_cannot_make_an_exact_number_wrong() {
    assert_eq!(major_faults(1000, 0), Quality::Exact);
    assert_eq!(major_faults(1000, 10), Quality::Exact);
    assert_eq!(major_faults(0, 0), Quality::Exact);
}

#[test]
fn many_missed_events_leave_a_doubt() {
    let reason = "11 of its events were not counted";
    assert_eq!(major_faults(1000, 11), Quality::approximate(reason));
    assert_eq!(major_faults(99, 1).word(), "approximate");
    assert_eq!(major_faults(0, 1).word(), "approximate");
}

#[test]
fn missed_events_are_not_made_good_from_a_file_that_is_late() {
    let at = |second, faults, in_file, missed| {
        let mut vm = counting(vm("a", 7), |counters| counters.major_faults = faults);
        vm.cgroup.get_or_insert_default().stat.pgmajfault = Some(in_file);
        let mut sample = sample(second, vec![vm]);
        let counters = sample.host.counters.get_or_insert_default();
        counters.missed_by_signal = [(Signal::MajorFaults, missed)].into();
        sample
    };
    // memory.stat has the 64 of an interval before, too.
    let vm = only_vm(derive(Some(&at(10, 500, 436, 0)), &at(11, 520, 520, 2)));
    assert_eq!(vm.major_faults.value.map(|rate| rate.0), Some(20.0));
    let reason = "2 of its events were not counted";
    assert_eq!(vm.major_faults.quality, Quality::approximate(reason));
}

#[test]
fn events_of_other_programs_do_no_harm() {
    let vm = only_vm(second(10, Signal::OomKills, 999));
    assert_eq!(vm.swap_out.quality, Quality::Exact);
}

#[test]
fn a_missed_stall_may_be_the_longest() {
    let vm = only_vm(second(0, Signal::MemcgReclaim, 1));
    assert_eq!(vm.memcg_reclaims.quality.word(), "approximate");
    assert_eq!(vm.direct_reclaims.quality, Quality::Exact);
}

#[test]
fn lost_map_entries_count_as_missed() {
    let at = |second, lost| {
        let mut sample = sample(second, vec![vm("a", 7)]);
        let host = &mut sample.host.counters.get_or_insert_default().host;
        (host.lost_stalls, host.lost_async_faults) = (lost, 10 * lost);
        sample
    };
    let view = only_vm(derive(Some(&at(10, 0)), &at(11, 1)));
    for (quality, lost) in [
        (view.memcg_reclaims.quality, 1),
        (view.reclaim_histogram.quality, 1),
        (view.async_fault_histogram.quality, 10),
    ] {
        let expected = format!("{lost} of its events were not counted");
        assert_eq!(quality, Quality::approximate(expected));
    }
    let view = only_vm(derive(Some(&at(10, 1)), &at(11, 1)));
    assert_eq!(view.reclaim_histogram.quality, Quality::Exact);
}

#[test]
fn waits_that_did_not_fit_are_missed_in_every_signal_that_is_made_of_them() {
    let doubted = |lost| {
        let mut sample = sample(10, vec![counting(vm("a", 7), |_| {})]);
        sample.host.counters.get_or_insert_default().host.lost_stalls = lost;
        let exact = |signal: Signal| SignalStatus {
            signal,
            source: Some("made up".to_owned()),
            hooked: true,
            quality: Quality::Exact,
        };
        sample.signals = Signal::ALL.map(exact).to_vec();
        let signals = derive(None, &sample).signals.into_iter();
        let doubted = signals.filter(|status| status.quality != Quality::Exact);
        doubted.map(|status| status.signal).collect::<Vec<Signal>>()
    };
    assert_eq!(doubted(0), []);
    let expected = [
        Signal::DirectReclaim,
        Signal::MemcgReclaim,
        Signal::Compaction,
        Signal::SwapInWait,
        Signal::ShmemSwap,
        Signal::ThrottleWait,
        Signal::ReclaimForVm,
    ];
    assert_eq!(doubted(1), expected);
}

#[test]
fn a_missed_write_may_be_that_of_a_huge_page() {
    let quality = |written, missed| {
        let vm = counting(vm("a", 7), |counters| counters.reclaim_write_pages = written);
        let mut sample = sample(10, vec![vm]);
        let counters = sample.host.counters.get_or_insert_default();
        counters.missed_by_signal = [(Signal::ReclaimWrites, missed)].into();
        let signals = derive(None, &sample).signals;
        signals.into_iter().find(|status| status.signal == Signal::ReclaimWrites).unwrap().quality
    };
    // Seen on 7.2: fewer than 1 % of the events, and more than 1 % of the pages.
    assert_eq!(quality(31_553, 300).word(), "approximate");
    assert_eq!(quality(31_553, 1).word(), "approximate");
    assert_eq!(quality(51_200, 1).word(), "exact");
    assert_eq!(quality(31_553, 0).word(), "exact");
}

#[test]
fn flows_are_in_doubt_as_what_they_are_made_of() {
    let victim = vm("a", 7);
    let flows = |pages| Some(vec![flow(Party::Kswapd, party(&victim), pages)]);
    let at = |second, pages, missed| {
        let mut sample = sample(second, vec![victim.clone()]);
        sample.flows = flows(pages);
        let counters = sample.host.counters.get_or_insert_default();
        counters.missed_by_signal = [(Signal::Flows, missed)].into();
        sample
    };
    let quality = |missed| derive(Some(&at(10, 0, 0)), &at(11, 1000, missed)).flows.quality;
    assert_eq!(quality(10), Quality::Exact);
    assert_eq!(quality(11).word(), "approximate");
}

/// Doubt about a VM's swap-outs of a second in which `left_out` were not seen and `lost` were not
/// understood, and about all until then. The hooks were attached at `since`.
fn swapped_since(since: Nanos, left_out: u64, lost: u64) -> (Quality, Quality) {
    let at = |second, pages, left_out, lost| {
        let vm = counting(vm("a", 7), |counters| counters.swap_out_pages = pages);
        let mut sample = sample(second, vec![vm]);
        sample.host.hooks = Some(HooksSample { attached: true, since, on_demand: true });
        let counters = sample.host.counters.get_or_insert_default();
        counters.missed_by_signal = [(Signal::SwapOut, left_out)].into();
        counters.host.failed_reads = lost;
        sample
    };
    let snapshot = derive(Some(&at(10, 0, 0, 0)), &at(11, 100, left_out, lost));
    let status = snapshot.signals.iter().find(|status| status.signal == Signal::SwapOut);
    let so_far = status.unwrap().quality.clone();
    (only_vm(snapshot).swap_out.quality, so_far)
}

#[test]
fn what_a_hook_at_rest_did_not_see_is_told_as_that_and_as_the_most_it_can_be() {
    let storm = Nanos(10 * Nanos::SECOND.0 + 1);
    let reason = "its hook was at rest when memory began to be reclaimed: up to 50 of its events \
                  were not counted";
    let (interval, so_far) = swapped_since(storm, 50, 0);
    assert_eq!((&interval, &so_far), (&Quality::approximate(reason), &interval));
    // Attached all the time, or what was seen and had no room.
    let plain = Quality::approximate("50 of its events were not counted");
    assert_eq!(swapped_since(Nanos(0), 50, 0).0, plain);
    assert_eq!(swapped_since(storm, 0, 50), (plain.clone(), plain));
}

#[test]
fn a_storm_that_begins_does_not_hide_that_shared_memory_is_not_counted() {
    let at = |second, missed| {
        let mut vm = vm("a", 7);
        (vm.shared, vm.cgroup) = (Some(true), None);
        let mut sample = sample(second, vec![vm]);
        let since = Nanos(10 * Nanos::SECOND.0 + 1);
        sample.host.hooks = Some(HooksSample { attached: true, since, on_demand: true });
        let counters = sample.host.counters.get_or_insert_default();
        counters.missed_by_signal = [(Signal::SwapIn, missed), (Signal::SwapOut, missed)].into();
        set_signal(&mut sample, Signal::ShmemSwap, Quality::absent("no fentry"));
        sample
    };
    let view = only_vm(derive(Some(&at(10, 0)), &at(11, 99)));
    for rate in [view.swap_in, view.swap_out] {
        let reason = rate.quality.reason().unwrap_or_default();
        assert!(rate.value.is_none() && reason.contains("guest memory is shared"), "{rate:?}");
    }
}

#[test]
fn a_signal_tells_what_all_of_its_missed_events_make_of_it() {
    let quality = |faults, missed| {
        let signals = second(faults, Signal::MajorFaults, missed).signals;
        signals.into_iter().find(|status| status.signal == Signal::MajorFaults).unwrap().quality
    };
    // Beside 100 that were missed before and 500 that weren't.
    assert_eq!(quality(0, 0).reason(), Some("100 of its events were not counted"));
    assert_eq!(quality(9600, 1).word(), "exact");
}

#[test]
fn a_counter_without_a_hook_is_not_zero() {
    let mut now = sample(11, vec![vm("a", 7)]);
    now.vms[0].process.major_faults = Some(567);
    now.vms[0].cgroup.get_or_insert_default().vms = 2;
    for status in now.signals.iter_mut().filter(|status| status.signal == Signal::MajorFaults) {
        (status.hooked, status.quality) = (false, Quality::approximate("from files"));
    }
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    let expected: Measured<_> = vm.major_faults.clone();
    assert_eq!(expected.value.map(|rate| rate.0), Some(567.0));
    assert_eq!(expected.quality.word(), "approximate");
}
