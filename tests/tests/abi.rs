//! The ABI between the eBPF programs and user space, byte by byte. When this golden file
//! changes, `ABI_VERSION` counts up, unless no release has it yet.

use std::fmt::Write;

use memtrace_ebpf::{
    ABI_VERSION, AsyncFaultKey, EVENT_APPEARED, EVENT_DIRECT_RECLAIM, EVENT_EXITED, EVENT_FOUND,
    EVENT_KSWAPD, EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM, EVENT_OOM_KILL, Event, FlowKey,
    HISTOGRAM_BUCKETS, HostCounters, InodeKey, KernelLayout, ProcessRow, SlotOwner, StallKey,
    StallStart, VmCounters, VmHistograms, bucket_of, bucket_range_ns,
};
use proptest::prelude::*;

/// Describes a struct, field by field, and checks that nothing lies between the fields:
/// padding would carry kernel memory, and the two sides could differ about it.
macro_rules! describe {
    ($out:expr, $name:ident = $value:expr, $($field:ident),+ $(,)?) => {{
        // Without `..`: a new field has to be named here.
        let $name { $($field),+ } = $value;
        let fields = [$(
            (stringify!($field), std::mem::offset_of!($name, $field), size_of_val(&$field))
        ),+];
        let sum: usize = fields.iter().map(|(_, _, size)| size).sum();
        assert_eq!(size_of::<$name>(), sum, "{} has padding", stringify!($name));
        let _ = writeln!($out, "{}: {} bytes, aligned to {}",
            stringify!($name), size_of::<$name>(), align_of::<$name>());
        for (field, offset, size) in fields {
            let _ = writeln!($out, "  {offset:>5} {size:>4}  {field}");
        }
    }};
}

#[test]
fn every_struct_is_where_both_sides_expect_it() {
    let mut out = format!("ABI_VERSION {ABI_VERSION}\n");
    vm_counters(&mut out);
    describe!(out, VmHistograms = VmHistograms::default(), reclaim, async_fault, swap_in);
    describe!(
        out,
        HostCounters = HostCounters::default(),
        kswapd_wakes,
        kswapd_sleeps,
        kswapd_active_ns,
        lost_events,
        lost_slots,
        lost_stalls,
        lost_async_faults,
        lost_flow_pages,
        lost_address_spaces,
        failed_reads,
    );
    describe!(out, SlotOwner = SlotOwner::default(), mm, tgid, generation);
    describe!(out, FlowKey = FlowKey::default(), causer, victim);
    describe!(out, StallKey = StallKey::default(), pid, kind);
    describe!(out, StallStart = StallStart::default(), begun_ns, slot, note);
    describe!(out, InodeKey = InodeKey::default(), ino, dev, reserved);
    describe!(out, AsyncFaultKey = AsyncFaultKey::default(), token, tgid, slot);
    describe!(
        out,
        Event = Event::default(),
        at_ns,
        kind,
        tgid,
        slot,
        causer_tgid,
        duration_ns,
        comm,
    );
    describe!(
        out,
        ProcessRow = ProcessRow::default(),
        tgid,
        threads,
        start_ns,
        cpu_ns,
        minor_faults,
        major_faults,
        size_pages,
        resident_pages,
        memory_cgroup,
        unified_cgroup,
        usage_pages,
        failures,
        max_events,
        oom_kills,
        limit_pages,
        high_pages,
        swap_limit_pages,
        swap_pages,
        comm,
    );
    kernel_layout(&mut out);
    let _ = writeln!(out, "events {}", KINDS.map(|kind| kind.to_string()).join(" "));
    insta::assert_snapshot!(out);
}

fn vm_counters(out: &mut String) {
    describe!(
        out,
        VmCounters = VmCounters::default(),
        guest_faults,
        user_faults,
        kernel_faults,
        major_faults,
        swap_read_pages,
        swap_write_pages,
        swap_in_pages,
        swap_in_remote_pages,
        async_faults,
        async_faults_done,
        async_fault_ns,
        direct_reclaims,
        direct_reclaim_ns,
        memcg_reclaims,
        memcg_reclaim_ns,
        reclaimed_pages,
        throttles,
        throttled_ns,
        compactions,
        compaction_ns,
        kswapd_wakeups,
        swap_out_pages,
        shmem_taken_pages,
        reclaim_write_pages,
        oom_kills,
        oom_caused,
        swap_in_majors,
        swap_in_waits,
        swap_in_wait_ns,
        swap_in_remote_waits,
        swap_in_remote_wait_ns,
        throttle_waits,
        throttle_wait_ns,
        shmem_swap_out_pages,
        shmem_swap_in_pages,
        caused_pages,
    );
}

fn kernel_layout(out: &mut String) {
    describe!(
        out,
        KernelLayout = KernelLayout::UNKNOWN,
        abi_version,
        task_flags,
        task_tgid,
        task_mm,
        mm_owner,
        memcg_cgroup,
        cgroup_kn,
        kernfs_node_id,
        folio_memcg_data,
        memcg_data_is_objcg,
        objcg_memcg,
        folio_flags,
        folio_nr_pages,
        page_head_bit,
        item_pgmajfault,
        item_pswpin,
        item_pswpout,
        vm_fault_vma,
        vm_fault_flags,
        vma_mm,
        folio_mapping,
        mapping_host,
        inode_ino,
        inode_sb,
        sb_dev,
        task_nvcsw,
        task_signal,
        task_cgroups,
        task_comm,
        task_state,
        task_exit_state,
        task_start,
        task_min_flt,
        task_maj_flt,
        task_runtime,
        task_thread_node,
        signal_threads,
        signal_thread_head,
        signal_min_flt,
        signal_maj_flt,
        signal_runtime,
        signal_sequence,
        mm_total_vm,
        mm_rss_stat,
        percpu_counter_count,
        percpu_counter_size,
        css_set_memory,
        css_set_unified,
        memcg_usage,
        memcg_failures,
        memcg_events,
        memcg_event_max,
        memcg_event_oom_kill,
        memcg_memory,
        memcg_swap,
        counter_usage,
        counter_max,
        counter_high,
        counter_parent,
    );
}

/// In the order of their numbers.
const KINDS: [u32; 8] = [
    EVENT_APPEARED,
    EVENT_EXITED,
    EVENT_OOM_KILL,
    EVENT_LONG_STALL,
    EVENT_FOUND,
    EVENT_DIRECT_RECLAIM,
    EVENT_MEMCG_RECLAIM,
    EVENT_KSWAPD,
];

#[test]
fn buckets_follow_each_other_without_gap_or_overlap() {
    assert_eq!(bucket_range_ns(0).0, 0);
    for bucket in 1..HISTOGRAM_BUCKETS {
        assert_eq!(bucket_range_ns(bucket - 1).1, bucket_range_ns(bucket).0, "before {bucket}");
    }
    assert_eq!(bucket_range_ns(HISTOGRAM_BUCKETS - 1).1, u64::MAX);
}

#[test]
fn a_bucket_is_at_most_a_sixteenth_of_its_lower_bound_wide() {
    // The first collects everything short, and the last is open.
    for bucket in 1..HISTOGRAM_BUCKETS - 1 {
        let (from, to) = bucket_range_ns(bucket);
        assert!((to - from) * 16 <= from, "{bucket}: {from}..{to}");
    }
}

proptest! {
    #[test]
    fn a_duration_lies_in_its_bucket(bits in 0..64_u32, ns in any::<u64>()) {
        // Every order of magnitude, which plain numbers would seldom reach.
        let ns = ns >> bits;
        let bucket = bucket_of(ns);
        prop_assert!(bucket < HISTOGRAM_BUCKETS);
        let (from, to) = bucket_range_ns(bucket);
        prop_assert!(from <= ns && (ns < to || to == u64::MAX), "{ns} not in {from}..{to}");
    }
}
