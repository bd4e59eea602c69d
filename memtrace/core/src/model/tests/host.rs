//! The host's numbers.

use crate::fixture::samples::{GIB, counting, sample, set_signal, vm};
use crate::model::snapshot::HostView;
use crate::model::{Measured, derive};
use crate::sample::{HostCountersSample, Sample, VmSample};
use crate::signal::{Quality, Signal};
use crate::units::{ByteRate, Bytes, Percent, Rate};

/// The host after two seconds in which its sample changed.
fn after(change: impl FnOnce(&mut Sample)) -> HostView {
    let mut now = sample(12, vec![vm("a", 1), vm("b", 2)]);
    change(&mut now);
    derive(Some(&sample(10, vec![vm("a", 1), vm("b", 2)])), &now).host
}

fn counters(sample: &mut Sample) -> &mut HostCountersSample {
    sample.host.counters.get_or_insert_default()
}

#[test]
fn memory_and_swap_come_from_meminfo() {
    let host = after(|_| {});
    assert_eq!(host.memory_total, Measured::exact(Bytes(16 * GIB)));
    assert_eq!(host.memory_cached, Measured::exact(Bytes(2 * GIB + GIB / 16)));
    assert_eq!(host.swap_used, Measured::exact(Bytes(2 * GIB)));
    let blind = after(|now| now.host.meminfo = None);
    assert_eq!(blind.memory_available.value, None);
    assert_eq!(blind.overcommit.value, None);
}

#[test]
fn swap_rates_come_from_vmstat_in_bytes() {
    let host = after(|now| {
        let vmstat = now.host.vmstat.get_or_insert_default();
        (vmstat.pswpin, vmstat.pswpout) = (Some(10), Some(20));
    });
    assert_eq!(host.swap_in, Measured::exact(ByteRate(20_480.0)));
    assert_eq!(host.swap_out, Measured::exact(ByteRate(40_960.0)));
}

#[test]
fn overcommit_is_what_vms_may_grow_to_against_host_memory() {
    let host = after(|now| {
        for vm in &mut now.vms {
            vm.guest.maximum = Some(Bytes(16 * GIB));
        }
    });
    assert_eq!(host.overcommit, Measured::exact(2.0));
}

#[test]
fn a_vm_without_a_balloon_counts_with_what_it_was_started_with() {
    let host = after(|now| {
        for vm in &mut now.vms {
            (vm.guest.maximum, vm.allocated) = (None, Some(Bytes(3 * GIB)));
        }
    });
    assert_eq!(host.allocated, Measured::exact(Bytes(6 * GIB)));
}

#[test]
fn a_vm_of_unknown_size_makes_overcommit_approximate() {
    let host = after(|now| {
        for vm in now.vms.iter_mut().take(1) {
            (vm.guest.maximum, vm.allocated) = (None, None);
        }
    });
    assert_eq!(host.overcommit.quality.word(), "approximate");
    assert_eq!(host.allocated.value, Some(Bytes(GIB)));
}

#[test]
fn a_host_without_vms_has_allocated_nothing() {
    let host = derive(None, &sample(10, vec![])).host;
    assert_eq!(host.allocated, Measured::exact(Bytes(0)));
    assert_eq!(host.overcommit, Measured::exact(0.0));
}

#[test]
fn kswapd_is_active_from_wake_to_sleep() {
    let host = after(|now| {
        let host = &mut counters(now).host;
        (host.kswapd_wakes, host.kswapd_sleeps) = (1, 1);
        host.kswapd_active_ns = 500_000_000;
    });
    assert_eq!(host.kswapd_active, Measured::exact(Percent(25.0)));
}

#[test]
fn kswapd_of_several_nodes_may_be_active_for_more_than_the_interval() {
    let host = after(|now| counters(now).host.kswapd_active_ns = 6_000_000_000);
    assert_eq!(host.kswapd_active, Measured::exact(Percent(300.0)));
}

#[test]
fn direct_reclaims_are_the_kernels_own_count_else_the_hooks() {
    let by_file = after(|now| now.host.vmstat.get_or_insert_default().allocstall = Some(8));
    assert_eq!(by_file.direct_reclaims, Measured::exact(Rate(4.0)));
    let by_hook = after(|now| {
        now.host.vmstat = None;
        counters(now).other.direct_reclaims = 2;
        counters(now).kswapd.direct_reclaims = 1;
        now.vms[0] = counting(vm("a", 1), |counters| counters.direct_reclaims = 7);
    });
    assert_eq!(by_hook.direct_reclaims, Measured::exact(Rate(5.0)));
}

#[test]
fn a_vm_that_just_came_makes_the_hosts_memcg_reclaims_approximate() {
    let late = |vm: VmSample| VmSample { counted_from_start: false, ..vm };
    let host = after(|now| now.vms.push(late(vm("new", 3))));
    assert_eq!(host.memcg_reclaims.quality.word(), "approximate");
}

#[test]
fn what_a_vm_did_before_it_ended_is_missing_and_said_so() {
    let ends = |change: fn(&mut Sample)| {
        let host = after(|now| {
            now.host.vmstat = None;
            change(now);
        });
        assert_eq!(host.memcg_reclaims.quality, host.direct_reclaims.quality);
        host.memcg_reclaims.quality.reason().unwrap_or_default().to_owned()
    };
    let of = |who| format!("{who} ended in the interval: what it did then is not counted");
    assert_eq!(ends(|_| {}), "");
    assert_eq!(ends(|now| now.vms.truncate(1)), of("b"));
    assert_eq!(ends(|now| now.vms.clear()), of("2 VMs"));
    // Another process took its name, and was counted from its start.
    assert_eq!(ends(|now| now.vms[1].pid = 99), of("b"));
}

#[test]
fn a_vm_that_no_row_counted_leaves_no_gap_when_it_ends() {
    let uncounted = |name, pid| VmSample { counters: None, ..vm(name, pid) };
    let before = sample(10, vec![vm("a", 1), uncounted("b", 2)]);
    let host = derive(Some(&before), &sample(12, vec![vm("a", 1)])).host;
    assert_eq!(host.memcg_reclaims, Measured::exact(Rate(0.0)));
}

#[test]
fn losses_and_totals_are_those_of_the_kernel_side() {
    let host = after(|now| counters(now).host.lost_slots = 4);
    assert_eq!(host.losses.value.map(|losses| (losses.slots, losses.any())), Some((4, true)));
    let blind = after(|now| now.host.counters = None);
    assert_eq!(blind.losses.value, None);
    assert_eq!(blind.totals.value, None);
}

#[test]
fn an_absent_kswapd_signal_keeps_its_reason() {
    let host = after(|now| set_signal(now, Signal::Kswapd, Quality::absent("no tracepoint")));
    assert_eq!(host.kswapd_active, Measured::absent("no tracepoint"));
}

#[test]
fn pressure_that_was_not_read_says_what_may_be_the_matter() {
    let host = after(|now| now.host.psi = None);
    assert!(host.psi.quality.reason().is_some_and(|reason| reason.contains("psi=1")));
}

#[test]
fn what_zfs_gives_back_is_available() {
    let available = |arc: Option<u64>| {
        let mut now = sample(12, vec![]);
        now.host.arc_reclaimable = arc.map(Bytes);
        let meminfo = now.host.meminfo.as_mut().unwrap();
        meminfo.available = Bytes::from_kib(1_703_936);
        derive(None, &now).host.memory_available
    };
    assert_eq!(available(Some(0)), Measured::exact(Bytes::from_kib(1_703_936)));
    let arc = 13_199_474_688;
    assert_eq!(available(Some(arc)), Measured::exact(Bytes((1_703_936 << 10) + arc)));
    let unknown = available(None);
    assert_eq!(unknown.value, None, "the host would look more pressed than it is");
    assert!(unknown.quality.reason().is_some_and(|reason| reason.contains("ARC")));
}
