//! Rates out of the kernel side's counters: which samples may be compared, and quality.

use crate::fixture::samples::{after, between, counting, only_vm, sample, set_signal, vm};
use crate::model::snapshot::VmView;
use crate::model::{Measured, derive};
use crate::sample::{Accelerator, VmId};
use crate::signal::{Quality, Signal, UNASKED};
use crate::units::{Nanos, Percent, Rate};

fn reason<T>(measured: &Measured<T>) -> &str {
    measured.quality.reason().unwrap_or_default()
}

#[test]
fn the_first_sample_has_no_rates_and_says_so() {
    let snapshot = derive(None, &sample(10, vec![vm("a", 7)]));
    assert_eq!(snapshot.interval, None);
    let vm = only_vm(snapshot);
    for rate in [&vm.faults, &vm.major_faults, &vm.taken, &vm.refaults, &vm.caused_pages] {
        assert_eq!(rate.value, None);
        assert!(reason(rate).contains("this is the first"), "{rate:?}");
    }
    assert!(reason(&vm.caused).contains("this is the first"), "{:?}", vm.caused);
    assert!(vm.rss.value.is_some(), "what is no rate is there");
}

#[test]
fn a_rate_is_growth_over_the_time_between_the_samples() {
    let before = counting(vm("a", 7), |counters| counters.guest_faults = 100);
    let now = counting(vm("a", 7), |counters| counters.guest_faults = 700);
    let snapshot = derive(Some(&sample(10, vec![before])), &sample(14, vec![now]));
    assert_eq!(snapshot.interval, Some(Nanos(4_000_000_000)));
    assert_eq!(only_vm(snapshot).guest_faults, Measured::exact(Rate(150.0)));
}

#[test]
fn faults_are_guest_user_and_kernel_faults_together() {
    let vm = after(|vm| {
        let counters = vm.counters.get_or_insert_default();
        (counters.guest_faults, counters.user_faults, counters.kernel_faults) = (1, 20, 300);
    });
    assert_eq!(vm.faults, Measured::exact(Rate(321.0)));
}

#[test]
fn a_part_that_is_absent_leaves_the_sum_approximate_and_is_named() {
    let mut now = sample(11, vec![counting(vm("a", 7), |counters| counters.guest_faults = 5)]);
    now.vms[0].process.minor_faults = None;
    set_signal(&mut now, Signal::KernelFaults, Quality::absent("not on this machine"));
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    assert_eq!(
        vm.faults,
        Measured::approximate(Rate(5.0), "without kernel faults: not on this machine")
    );
    assert_eq!(vm.kernel_faults, Measured::absent("not on this machine"));
}

/// In an interval in which hooks of ordinary faults were not attached.
fn unhooked_faults(accelerator: Accelerator, guest_faults: u64) -> Measured<Rate> {
    let vm = |minor, counted| {
        let mut vm = counting(vm("a", 7), |counters| counters.guest_faults = counted);
        vm.accelerator = Some(accelerator);
        (vm.process.minor_faults, vm.process.major_faults) = (Some(minor), Some(3));
        vm
    };
    let mut now = sample(11, vec![vm(140, guest_faults)]);
    for signal in [Signal::UserFaults, Signal::KernelFaults] {
        set_signal(&mut now, signal, Quality::absent(UNASKED));
    }
    let vm = only_vm(derive(Some(&sample(10, vec![vm(100, 0)])), &now));
    assert_eq!(vm.user_faults, Measured::absent(UNASKED));
    assert_eq!(vm.process_faults, Measured::exact(143));
    vm.faults
}

#[test]
fn without_their_hooks_faults_are_those_of_the_process() {
    assert_eq!(unhooked_faults(Accelerator::Tcg, 0), Measured::exact(Rate(40.0)));
    // A guest's faults are mostly among them, and both are known to be too few only.
    for (guest, all) in [(0, 40.0), (40, 40.0), (70, 70.0)] {
        let faults = unhooked_faults(Accelerator::Kvm, guest);
        assert_eq!(faults.value, Some(Rate(all)));
        assert!(reason(&faults).contains("the more of"), "{faults:?}");
    }
}

#[test]
fn the_quality_of_a_signal_travels_with_its_rate() {
    let mut now = sample(11, vec![counting(vm("a", 7), |counters| counters.guest_faults = 1)]);
    set_signal(&mut now, Signal::GuestFaults, Quality::approximate("exits, not pages"));
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    assert_eq!(vm.guest_faults, Measured::approximate(Rate(1.0), "exits, not pages"));
    assert_eq!(vm.faults.quality, Quality::approximate("exits, not pages"));
}

#[test]
fn a_part_that_is_near_the_truth_and_did_not_grow_adds_no_doubt() {
    let faults = |kernel_faults| {
        let mut now = sample(
            11,
            vec![counting(vm("a", 7), |counters| {
                (counters.guest_faults, counters.kernel_faults) = (5, kernel_faults);
            })],
        );
        set_signal(&mut now, Signal::KernelFaults, Quality::approximate("about"));
        only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now)).faults
    };
    assert_eq!(faults(0), Measured::exact(Rate(5.0)));
    assert_eq!(faults(1), Measured::approximate(Rate(6.0), "about"));
}

#[test]
fn one_counter_that_runs_backwards_voids_all_of_the_row() {
    let vm = between(
        |vm| vm.counters.get_or_insert_default().oom_caused = 3,
        |vm| vm.counters.get_or_insert_default().guest_faults = 10,
    );
    assert_eq!(vm.guest_faults.value, None);
    assert!(reason(&vm.guest_faults).contains("reset"), "{:?}", vm.guest_faults);
}

#[test]
fn a_vm_that_was_counted_from_its_start_has_grown_from_nothing() {
    let changed: [fn(&mut crate::sample::VmSample); 2] = [|vm| vm.pid = 8, |vm| vm.start = 1];
    for change in changed {
        let vm = after(|vm| {
            change(vm);
            vm.counters.get_or_insert_default().swap_out_pages = 10;
        });
        assert!(vm.swap_out.value.is_some_and(|rate| rate.0 > 0.0), "{:?}", vm.swap_out);
        // Files have no values from before.
        assert_eq!(vm.cpu.value, None);
    }
}

#[test]
fn another_process_under_the_same_uuid_is_not_compared() {
    let changed: [fn(&mut crate::sample::VmSample); 2] = [|vm| vm.pid = 8, |vm| vm.start = 1];
    for change in changed {
        let vm = after(|vm| {
            change(vm);
            vm.counted_from_start = false;
            vm.counters.get_or_insert_default().guest_faults = 10;
        });
        assert!(reason(&vm.guest_faults).contains("restarted"), "{:?}", vm.guest_faults);
        assert!(reason(&vm.cpu).contains("restarted"), "{:?}", vm.cpu);
    }
}

#[test]
fn a_reused_pid_is_another_vm() {
    let id = |start| VmId::Process { pid: 7, start };
    let vm = between(|vm| vm.id = id(1), |vm| vm.id = id(2));
    assert!(reason(&vm.cpu).contains("first seen"), "{:?}", vm.cpu);
}

#[test]
fn a_clock_that_stands_still_gives_no_rates() {
    let at_10 = sample(10, vec![vm("a", 7)]);
    let snapshot = derive(Some(&at_10), &at_10);
    assert_eq!(snapshot.interval, None);
    assert!(reason(&only_vm(snapshot).faults).contains("no time passed"));
}

#[test]
fn a_vm_that_the_kernel_side_does_not_count_says_so() {
    let uncounted = after(|vm| vm.counters = None);
    assert!(reason(&uncounted.taken).contains("does not count this VM"), "{:?}", uncounted.taken);
    let just_counted = between(|vm| vm.counters = None, |_| {});
    assert!(reason(&just_counted.taken).contains("began to count"), "{:?}", just_counted.taken);
}

#[test]
fn without_a_kernel_side_every_counted_number_says_so() {
    let mut now = sample(11, vec![vm("a", 7)]);
    now.signals.clear();
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    assert_eq!(vm.user_faults, Measured::absent("the kernel side does not run"));
    assert!(reason(&vm.faults).contains("without faults of its guest"), "{:?}", vm.faults);
}

#[test]
fn stalled_adds_waits_and_leaves_nested_throttling_out() {
    let vm = after(|vm| {
        let counters = vm.counters.get_or_insert_default();
        counters.direct_reclaim_ns = 100_000_000;
        counters.throttled_ns = 90_000_000;
        counters.memcg_reclaim_ns = 200_000_000;
        counters.compaction_ns = 50_000_000;
        counters.async_fault_ns = 1_000_000_000;
        counters.swap_in_wait_ns = 30_000_000;
        counters.swap_in_remote_wait_ns = 900_000_000;
        counters.throttle_wait_ns = 20_000_000;
    });
    assert_eq!(vm.stalled, Measured::exact(Percent(140.0)), "workers' waits are not its own");
}

#[test]
fn stalled_says_which_waits_this_kernel_hides() {
    let mut now =
        sample(11, vec![counting(vm("a", 7), |counters| counters.memcg_reclaim_ns = 100_000_000)]);
    for signal in [Signal::SwapInWait, Signal::ThrottleWait] {
        set_signal(&mut now, signal, Quality::absent("refused"));
    }
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    assert_eq!(
        vm.stalled,
        Measured::approximate(
            Percent(10.0),
            "without swap-in: refused; without throttling: refused"
        )
    );
}

#[test]
fn cpu_time_of_one_whole_cpu_is_100_per_cent() {
    let vm = after(|vm| vm.process.cpu_time = Some(Nanos(1_000_000_000)));
    assert_eq!(vm.cpu, Measured::exact(Percent(100.0)));
}

#[test]
fn threads_have_rates_when_both_samples_have_the_thread() {
    let grown = |vm: &mut crate::sample::VmSample| {
        for thread in vm.threads.iter_mut().flatten() {
            thread.major_faults = 12;
        }
    };
    let threads = |vm: VmView| vm.threads.expect("the sample has threads");
    let both = threads(after(grown));
    assert_eq!(both.first().map(|thread| thread.major_faults.value), Some(Some(Rate(12.0))));
    let new = threads(between(|vm| vm.threads = None, grown));
    assert_eq!(new.first().map(|thread| thread.major_faults.value), Some(None));
    assert_eq!(after(|vm| vm.threads = None).threads, None);
}

#[test]
fn a_vm_without_kvm_has_no_kvm_faults_rather_than_none() {
    let vm = after(|vm| {
        vm.accelerator = Some(Accelerator::Tcg);
        let counters = vm.counters.get_or_insert_default();
        (counters.user_faults, counters.kernel_faults) = (20, 300);
    });
    assert_eq!(vm.guest_faults, Measured::absent("TCG runs it, and not KVM"));
    assert_eq!(vm.async_faults, Measured::absent("TCG runs it, and not KVM"));
    assert_eq!(vm.async_fault_histogram, Measured::absent("TCG runs it, and not KVM"));
    // They are no part of its faults that is missing.
    assert_eq!(vm.faults, Measured::exact(Rate(320.0)));
}
