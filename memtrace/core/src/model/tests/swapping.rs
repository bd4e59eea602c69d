//! Swap, major faults, pages taken and refaults: which source is chosen, and when.

use crate::fixture::samples::{MIB, after, counting, only_vm, sample, set_signal, vm};
use crate::model::{Measured, derive};
use crate::sample::{Accelerator, HooksSample, Sample, VmSample};
use crate::signal::{Quality, Signal};
use crate::units::{ByteRate, Bytes, Nanos, Rate};

/// The VM after a second in which it changed and the kernel side lacked some signals.
fn without(
    signals: &[Signal],
    change: impl FnOnce(&mut VmSample),
) -> crate::model::snapshot::VmView {
    let mut changed = vm("a", 7);
    change(&mut changed);
    let mut now: Sample = sample(11, vec![changed]);
    for signal in signals {
        set_signal(&mut now, *signal, Quality::absent("no hook"));
    }
    only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now))
}

fn stat(vm: &mut VmSample) -> &mut crate::sample::MemoryStat {
    &mut vm.cgroup.get_or_insert_default().stat
}

#[test]
fn swap_is_in_bytes_of_base_pages() {
    let vm = after(|vm| {
        let counters = vm.counters.get_or_insert_default();
        (counters.swap_in_pages, counters.swap_out_pages) = (10, 20);
    });
    assert_eq!(vm.swap_in, Measured::exact(ByteRate(40_960.0)));
    assert_eq!(vm.swap_out, Measured::exact(ByteRate(81_920.0)));
}

#[test]
fn shared_guest_memory_is_counted_by_file_beside_the_private() {
    let vm = after(|vm| {
        vm.process.rss_shmem = Some(Bytes(900 * MIB));
        let counters = vm.counters.get_or_insert_default();
        (counters.swap_in_pages, counters.shmem_swap_in_pages) = (1, 100);
        (counters.swap_out_pages, counters.shmem_swap_out_pages) = (2, 200);
        stat(vm).pswpin = Some(77);
    });
    assert_eq!(vm.swap_in, Measured::exact(ByteRate(101.0 * 4096.0)));
    assert_eq!(vm.swap_out, Measured::exact(ByteRate(202.0 * 4096.0)));
}

#[test]
fn shared_guest_memory_that_is_not_counted_takes_swap_from_its_cgroup() {
    let vm = without(&[Signal::ShmemSwap], |vm| {
        (vm.process.rss_anon, vm.process.rss_shmem) = (Some(Bytes(MIB)), Some(Bytes(900 * MIB)));
        vm.counters.get_or_insert_default().swap_in_pages = 1;
        stat(vm).pswpin = Some(100);
    });
    assert_eq!(vm.swap_in.value, Some(ByteRate(409_600.0)));
    assert_eq!(vm.swap_in.quality.word(), "approximate");
    assert_eq!(vm.swap.value, Some(Bytes(210 * MIB)), "VmSwap misses shared memory");
    assert_eq!(vm.swap.quality.word(), "approximate");
}

#[test]
fn swap_of_shared_guest_memory_that_nothing_tells_is_not_what_the_vmm_itself_swaps() {
    const SHARED: &str = "guest memory is shared, and its swap belongs to no address space";
    for pages in [0, 1] {
        let vm = without(&[Signal::ShmemSwap], |vm| {
            vm.shared = Some(true);
            let counters = vm.counters.get_or_insert_default();
            (counters.swap_in_pages, counters.swap_out_pages) = (pages, pages);
            vm.cgroup.get_or_insert_default().vms = 3;
        });
        for rate in [vm.swap_in, vm.swap_out] {
            assert_eq!(rate, Measured::absent(format!("{SHARED}: no hook")));
        }
        assert_eq!(vm.swap, Measured::absent(SHARED));
    }
}

#[test]
fn swap_of_shared_guest_memory_is_not_told_by_a_kernel_whose_cgroups_do_not_count_it() {
    let vm = without(&[Signal::ShmemSwap], |vm| {
        vm.shared = Some(true);
        (stat(vm).pswpin, stat(vm).pswpout) = (None, None);
    });
    assert_eq!((vm.swap_in.value, vm.swap_out.value), (None, None));
    assert_eq!(vm.swap.value, Some(Bytes(210 * MIB)));
}

#[test]
fn shared_memory_that_was_taken_away_is_still_shared() {
    let vm = after(|vm| {
        vm.process.rss_anon = Some(Bytes(40 * MIB));
        vm.process.swap = Some(Bytes(MIB));
        vm.process.rss_shmem = Some(Bytes(10 * MIB));
        vm.counters.get_or_insert_default().shmem_taken_pages = 100 * MIB / 4096;
    });
    assert_eq!(vm.swap.quality.word(), "approximate");
}

#[test]
fn memory_that_was_started_as_shared_is_so_when_most_of_it_is_in_swap() {
    let mostly_swapped = |vm: &mut VmSample| {
        vm.shared = Some(true);
        vm.process.rss_anon = Some(Bytes(57 * MIB));
        vm.process.rss_shmem = Some(Bytes(20 * MIB));
    };
    assert_eq!(after(mostly_swapped).swap.quality.word(), "approximate");
    let huge = |vm: &mut VmSample| {
        mostly_swapped(vm);
        vm.process.hugetlb = Some(Bytes(1024 * MIB));
    };
    assert_eq!(after(huge).swap.quality, Quality::Exact, "huge pages aren't swapped");
}

#[test]
fn taken_is_private_and_shared_memory() {
    let vm = after(|vm| {
        let counters = vm.counters.get_or_insert_default();
        (counters.swap_out_pages, counters.shmem_taken_pages) = (7, 5);
    });
    assert_eq!(vm.taken, Measured::exact(Rate(12.0)));
}

#[test]
fn major_faults_come_from_the_hook() {
    let vm = after(|vm| {
        vm.counters.get_or_insert_default().major_faults = 3;
        vm.process.major_faults = Some(1);
        stat(vm).pgmajfault = Some(3);
    });
    assert_eq!(vm.major_faults, Measured::exact(Rate(3.0)));
}

#[test]
fn major_faults_without_the_hook_come_from_the_vms_own_cgroup() {
    let vm = without(&[Signal::MajorFaults], |vm| {
        vm.process.major_faults = Some(1);
        stat(vm).pgmajfault = Some(3);
    });
    assert_eq!(vm.major_faults, Measured::exact(Rate(3.0)));
}

#[test]
fn an_exact_file_is_preferred_to_an_approximate_hook() {
    let mut changed = vm("a", 7);
    changed.counters.get_or_insert_default().major_faults = 9;
    stat(&mut changed).pgmajfault = Some(3);
    let mut now = sample(11, vec![changed]);
    set_signal(&mut now, Signal::MajorFaults, Quality::approximate("by cgroup"));
    let vm = only_vm(derive(Some(&sample(10, vec![vm("a", 7)])), &now));
    assert_eq!(vm.major_faults, Measured::exact(Rate(3.0)));
}

#[test]
fn major_faults_in_a_shared_cgroup_are_those_of_process_and_kernel_workers() {
    let vm = without(&[Signal::MajorFaults], |vm| {
        vm.process.major_faults = Some(567);
        vm.counters.get_or_insert_default().async_faults_done = 2994;
        let cgroup = vm.cgroup.get_or_insert_default();
        (cgroup.vms, cgroup.stat.pgmajfault) = (2, Some(9999));
    });
    assert_eq!(vm.major_faults.value, Some(Rate(3561.0)));
    assert_eq!(vm.major_faults.quality.word(), "approximate");
}

#[test]
fn major_faults_of_the_process_alone_say_what_is_missing() {
    let vm = without(&[Signal::MajorFaults, Signal::AsyncFaults], |vm| {
        vm.process.major_faults = Some(567);
        vm.cgroup = None;
    });
    assert_eq!(vm.major_faults.value, Some(Rate(567.0)));
    let reason = vm.major_faults.quality.reason().unwrap_or_default();
    assert!(reason.contains("without asynchronous faults"), "{reason}");
}

#[test]
fn swap_without_hooks_comes_from_memory_stat_when_the_cgroup_is_the_vms_own() {
    let vm = without(&[Signal::SwapIn, Signal::SwapOut], |vm| {
        stat(vm).pswpin = Some(2);
        stat(vm).pswpout = None;
    });
    assert_eq!(vm.swap_in.value, Some(ByteRate(8192.0)));
    assert_eq!(vm.swap_in.quality.word(), "approximate");
    assert_eq!(vm.swap_out, Measured::absent("no hook"));
}

#[test]
fn refaults_are_those_of_the_vms_own_cgroup() {
    let refaults = |vms| {
        after(|vm| {
            vm.cgroup.get_or_insert_default().vms = vms;
            stat(vm).workingset_refault_anon = Some(4);
            stat(vm).workingset_refault_file = Some(6);
        })
        .refaults
    };
    assert_eq!(refaults(1), Measured::exact(Rate(10.0)));
    assert_eq!(refaults(2), Measured::absent("memory.stat is of a cgroup that 2 VMs share"));
}

/// A VM of which this many pages went out in all and came back in this many events, and
/// which has this many in swap.
fn swapped(outs: u64, events: u64, left: u64, base: i64) -> VmSample {
    let mut vm = counting(vm("a", 7), |counters| {
        (counters.swap_out_pages, counters.swap_in_pages) = (outs, events);
    });
    (vm.process.swap, vm.swap_base) = (Some(Bytes(left * 4096)), Some(base));
    vm
}

/// Swap-ins in pages a second, and their total, from the one to the other.
fn swap_in(before: VmSample, now: VmSample) -> (Measured<Rate>, u64) {
    let view = only_vm(derive(Some(&sample(10, vec![before])), &sample(11, vec![now])));
    let total = view.totals.value.expect("it is counted").counters.swap_in_pages;
    (view.swap_in.map(|bytes| Rate(bytes.0 / 4096.0)), total)
}

#[test]
fn a_huge_page_that_comes_back_whole_is_counted_by_vmswap() {
    // Two huge pages and ten small ones: twelve events.
    let (before, now) = (swapped(5000, 0, 5000, 0), swapped(5000, 12, 5000 - 1034, 0));
    assert_eq!(swap_in(before, now), (Measured::exact(Rate(1034.0)), 1034));
    // The same while others go out, and of a VM that was found with pages in swap.
    let (before, now) = (swapped(10, 2, 108, 100), swapped(30, 14, 100, 100));
    assert_eq!(swap_in(before, now), (Measured::exact(Rate(28.0)), 30));
}

#[test]
fn a_vm_counted_from_its_start_has_its_swap_ins_in_its_first_interval() {
    let now = sample(11, vec![swapped(600, 1, 88, 0)]);
    let view = only_vm(derive(Some(&sample(10, Vec::new())), &now));
    assert_eq!(view.swap_in, Measured::exact(ByteRate(512.0 * 4096.0)));
}

#[test]
fn swap_ins_never_run_backwards() {
    // VmSwap was a little ahead of the counters.
    let (rate, total) = swap_in(swapped(1000, 100, 900, 0), swapped(1000, 100, 910, 0));
    assert_eq!((rate, total), (Measured::exact(Rate(0.0)), 90));
    assert_eq!(swap_in(swapped(0, 0, 0, 0), swapped(10, 0, 20, 0)).1, 0);
}

#[test]
fn events_that_vmswap_contradicts_leave_a_doubt() {
    let doubt = |events, back: u64| {
        let (rate, _) = swap_in(swapped(5000, 0, 5000, 0), swapped(5000, events, 5000 - back, 0));
        assert_eq!(rate.value, Some(Rate(back as f64)));
        rate.quality.reason().unwrap_or_default().to_owned()
    };
    assert_eq!(doubt(1010, 1000), "");
    assert!(doubt(1100, 1000).contains("fewer pages than there were events"));
    assert!(doubt(0, 1000).contains("more pages than the events"));
}

#[test]
fn pages_that_come_back_while_the_hook_is_detached_are_told_by_vmswap_alone() {
    let second = 1_000_000_000;
    let came_back = |attached, since| {
        let before = sample(10, vec![swapped(5000, 0, 5000, 0)]);
        let mut now = sample(11, vec![swapped(5000, 0, 4000, 0)]);
        now.host.hooks = Some(HooksSample { attached, since: Nanos(since), on_demand: true });
        let swap_in = only_vm(derive(Some(&before), &now)).swap_in;
        assert_eq!(swap_in.value, Some(ByteRate(1000.0 * 4096.0)));
        swap_in.quality
    };
    assert_eq!(came_back(false, 5 * second), Quality::Exact);
    // Attached within the interval; and all the time, in which there should have been events.
    assert_eq!(came_back(true, 10 * second + 1), Quality::Exact);
    assert_eq!(came_back(true, 10 * second).word(), "approximate");
}

#[test]
fn without_vmswap_swap_ins_are_events() {
    let mut now = swapped(5000, 12, 0, 0);
    now.process.swap = None;
    let (rate, total) = swap_in(swapped(5000, 0, 5000, 0), now);
    assert_eq!((rate.value, total), (Some(Rate(12.0)), 12));
    assert!(rate.quality.reason().is_some_and(|reason| reason.contains("VmSwap is unknown")));
}

#[test]
fn swap_ins_without_a_base_are_as_counted() {
    let mut now = swapped(50, 12, 0, 0);
    now.swap_base = None;
    let (rate, total) = swap_in(swapped(0, 0, 0, 0), now);
    assert_eq!((rate, total), (Measured::exact(Rate(12.0)), 12));
}

#[test]
fn in_a_cgroup_that_others_share_the_hook_misses_what_workers_do_for_kvm() {
    let major = |accelerator| {
        let vm = after(|vm| {
            vm.accelerator = accelerator;
            vm.cgroup.get_or_insert_default().alone = false;
            vm.counters.get_or_insert_default().major_faults = 7;
        });
        vm.major_faults
    };
    let kvm = major(Some(Accelerator::Kvm));
    assert_eq!(kvm.value, Some(Rate(7.0)));
    assert!(
        kvm.quality.reason().is_some_and(|reason| reason.contains("kernel workers")),
        "{kvm:?}"
    );
    // Without KVM no worker faults for it.
    assert_eq!(major(Some(Accelerator::Tcg)), Measured::exact(Rate(7.0)));
}
