//! The plan for each kernel that KERNEL tables were made of, and for poorer ones.

use std::collections::{BTreeMap, BTreeSet};

mod deep;

use super::super::signature::Signature;
use super::super::support::{TRACEPOINTS, without_btf};
use super::*;
use memtrace_core::signal::{Quality, SignalStatus};

fn form(arguments: &[&str]) -> Signature {
    Signature(arguments.iter().map(|name| (*name).to_owned()).collect())
}

/// All that the programs read, each at a place of its own.
fn layout() -> KernelLayout {
    KernelLayout {
        task_flags: 1,
        task_tgid: 2,
        task_mm: 4,
        mm_owner: 5,
        memcg_cgroup: 6,
        cgroup_kn: 7,
        kernfs_node_id: 8,
        folio_memcg_data: 9,
        objcg_memcg: 10,
        item_pgmajfault: 11,
        item_pswpin: 12,
        item_pswpout: 13,
        folio_flags: 0,
        folio_nr_pages: 14,
        page_head_bit: 6,
        vm_fault_vma: 15,
        vm_fault_flags: 16,
        vma_mm: 17,
        folio_mapping: 18,
        mapping_host: 19,
        inode_ino: 20,
        inode_sb: 21,
        sb_dev: 22,
        task_nvcsw: 23,
        task_signal: 24,
        task_cgroups: 25,
        task_comm: 26,
        task_state: 27,
        task_exit_state: 28,
        task_start: 29,
        task_min_flt: 30,
        task_maj_flt: 31,
        task_runtime: 32,
        task_thread_node: 33,
        signal_threads: 34,
        signal_thread_head: 35,
        signal_min_flt: 36,
        signal_maj_flt: 37,
        signal_runtime: 38,
        signal_sequence: 39,
        mm_total_vm: 40,
        mm_rss_stat: 41,
        percpu_counter_count: 42,
        percpu_counter_size: 43,
        css_set_memory: 44,
        css_set_unified: 45,
        memcg_usage: 46,
        memcg_failures: 47,
        memcg_events: 48,
        memcg_event_max: 49,
        memcg_event_oom_kill: 50,
        memcg_memory: 51,
        memcg_swap: 52,
        counter_usage: 53,
        counter_max: 54,
        counter_high: 55,
        counter_parent: 56,
        ..KernelLayout::UNKNOWN
    }
}

/// Facts of 6.18: all that the plan knows of.
pub(super) fn facts() -> KernelFacts {
    let mut tracepoints: BTreeMap<_, _> =
        TRACEPOINTS.into_iter().map(|name| (name, form(&["int"]))).collect();
    tracepoints.remove("mm_vmscan_writepage");
    tracepoints.insert("rss_stat", form(&["struct mm_struct *", "int"]));
    tracepoints.insert("mm_vmscan_memcg_reclaim_begin", form(&["int", "gfp_t"]));
    tracepoints.insert("mark_victim", form(&["struct task_struct *", "uid_t"]));
    KernelFacts {
        layout: layout(),
        tracepoints,
        functions: deep::functions_of_6_18(),
        architecture: "x86_64",
        large_swap_in: false,
        kfuncs: [("bpf_task_from_pid", 900), ("bpf_task_release", 901)].into(),
        btf_problem: None,
        btf_unread: None,
    }
}

fn program<'a>(plan: &'a Plan, tracepoint: &str) -> Option<&'a str> {
    plan.hooks.iter().find(|hook| hook.target_name() == tracepoint).map(|hook| hook.program)
}

fn status(plan: &Plan, signal: Signal) -> SignalStatus {
    let all = statuses(&plan.hooks, &plan.absent, plan.means);
    assert_eq!(all.len(), Signal::ALL.len());
    all.into_iter().find(|status| status.signal == signal).unwrap()
}

#[test]
fn everything_is_attached_where_everything_is_there() {
    let plan = plan(&facts());
    assert_eq!(plan.absent, vec![]);
    assert_eq!(program(&plan, "rss_stat"), Some("rss_stat"));
    assert_eq!(program(&plan, "mark_victim"), Some("oom_victim_task"));
    assert_eq!(status(&plan, Signal::MajorFaults).quality, Quality::Exact);
    assert_eq!(status(&plan, Signal::SwapIn).source.as_deref(), Some("raw_tp kmem:rss_stat"));
}

/// 5.10: a count in rss_stat, a pid in mark_victim, pages instead of folios.
fn facts_of_5_10() -> KernelFacts {
    let mut old = facts();
    old.functions = deep::functions_of_5_10();
    old.tracepoints.insert("rss_stat", form(&["struct mm_struct *", "int", "long int"]));
    old.tracepoints.insert("mark_victim", form(&["int"]));
    old.tracepoints.remove("mm_vmscan_write_folio");
    old.tracepoints.insert("mm_vmscan_writepage", form(&["struct page *"]));
    old
}

/// 7.3: the cgroup in memcg_reclaim_begin, and the last thread in sched_process_exit.
fn facts_of_7_3() -> KernelFacts {
    let mut new = facts();
    new.functions = deep::functions_of_7_3();
    let begin = form(&["gfp_t", "int", "struct mem_cgroup *"]);
    new.tracepoints.insert("mm_vmscan_memcg_reclaim_begin", begin);
    new.tracepoints.insert("sched_process_exit", form(&["struct task_struct *", "bool"]));
    new
}

#[test]
fn forms_are_chosen_by_their_arguments() {
    let old = plan(&facts_of_5_10());
    assert_eq!(program(&old, "rss_stat"), Some("rss_stat_count"));
    assert_eq!(program(&old, "mark_victim"), Some("oom_victim_pid"));
    assert_eq!(program(&old, "mm_vmscan_writepage"), Some("reclaim_write"));
    let new = plan(&facts_of_7_3());
    assert_eq!(program(&new, "mm_vmscan_memcg_reclaim_begin"), Some("memcg_reclaim_begin_memcg"));
}

#[test]
fn without_memcg_events_major_faults_come_from_files() {
    let mut facts = facts();
    facts.tracepoints.remove("count_memcg_events");
    let plan = plan(&facts);
    let status = status(&plan, Signal::MajorFaults);
    assert_eq!(status.quality.word(), "approximate");
    assert!(status.source.unwrap().contains("memory.stat"));
}

#[test]
fn a_missing_tracepoint_switches_its_own_signal_off() {
    let mut facts = facts();
    facts.tracepoints.remove("mm_vmscan_throttled");
    let plan = plan(&facts);
    let throttling = status(&plan, Signal::Throttling);
    assert!(throttling.quality.is_absent());
    assert!(throttling.quality.reason().unwrap().contains("mm_vmscan_throttled"));
    assert_eq!(status(&plan, Signal::DirectReclaim).quality, Quality::Exact);
}

#[test]
fn where_events_miss_swap_ins_vmswap_corrects_them() {
    let source = |facts: &KernelFacts| {
        let plan = plan(facts);
        let all = statuses(&plan.hooks, &plan.absent, plan.means);
        let status = all.into_iter().find(|status| status.signal == Signal::SwapIn).unwrap();
        assert_eq!(status.quality, Quality::Exact);
        (plan.means.swap_ins_need_vmswap, status.source.unwrap())
    };
    // From 6.2 on, until huge pages came back whole.
    assert_eq!(source(&facts()), (false, "raw_tp kmem:rss_stat".to_owned()));
    let by_vmswap = (true, "raw_tp kmem:rss_stat and VmSwap".to_owned());
    assert_eq!(source(&KernelFacts { large_swap_in: true, ..facts() }), by_vmswap);
    let mut old = facts();
    old.tracepoints.insert("rss_stat", form(&["struct mm_struct *", "int", "long int"]));
    assert_eq!(source(&old), by_vmswap);
}

#[test]
fn reclaim_writes_are_exact_where_folio_sizes_are_known() {
    let mut facts = facts();
    assert_eq!(status(&plan(&facts), Signal::ReclaimWrites).quality, Quality::Exact);
    facts.layout.page_head_bit = MISSING;
    let quality = status(&plan(&facts), Signal::ReclaimWrites).quality;
    assert_eq!(quality, Quality::approximate("a large folio counts as one page"));
}

/// Programs that end something, and those that begin it, in all of their forms.
const PAIRS: [(&[&str], &[&str]); 8] = [
    (&["async_fault_end"], &["async_fault_begin"]),
    (&["direct_reclaim_end"], &["direct_reclaim_begin"]),
    (
        &["memcg_reclaim_end"],
        &["memcg_reclaim_begin", "memcg_reclaim_begin_memcg", "memcg_reclaim_for"],
    ),
    (&["compaction_end"], &["compaction_begin"]),
    (&["swap_in_end"], &["swap_in_begin"]),
    (&["shared_swap_in_end"], &["shared_swap_in_begin"]),
    (
        &["shared_out_end_2", "shared_out_end_3"],
        &["shared_out_begin_first", "shared_out_begin_second"],
    ),
    (&["throttle_end"], &["throttle_begin"]),
];
/// Programs that are whole by themselves.
const SINGLE: [&str; 19] = [
    "compaction",
    "guest_fault",
    "kernel_fault",
    "kswapd_sleep",
    "kswapd_wake",
    "memcg_event",
    "oom_victim_pid",
    "oom_victim_task",
    "process_exec",
    "process_exit",
    "process_exit_last",
    "reclaim_write",
    "rss_stat",
    "rss_stat_count",
    "shared_in_5",
    "shared_in_6",
    "throttled",
    "user_fault",
    "wakeup_kswapd",
];

#[test]
fn ends_are_attached_before_their_begins() {
    let kernels = [facts_of_5_10(), facts(), facts_of_7_3()];
    let mut seen = BTreeSet::new();
    for plan in kernels.iter().map(plan) {
        let mut attached = BTreeSet::new();
        for hook in plan.hooks {
            let program = hook.program;
            if let Some((ends, _)) = PAIRS.iter().find(|(_, begins)| begins.contains(&program)) {
                let ended = ends.iter().any(|end| attached.contains(end));
                assert!(ended, "{program} before one of {ends:?}");
            }
            attached.insert(program);
        }
        seen.extend(attached);
    }
    let pairs = PAIRS.iter().flat_map(|(ends, begins)| ends.iter().chain(*begins));
    let known: BTreeSet<&str> = pairs.chain(&SINGLE).copied().collect();
    assert_eq!(seen, known, "each program of a plan has its place here");
}

#[test]
fn where_the_kernel_says_which_thread_is_the_last_the_process_ends_with_it() {
    assert_eq!(program(&plan(&facts()), "sched_process_exit"), Some("process_exit"));
    let last = plan(&facts_of_7_3());
    assert_eq!(program(&last, "sched_process_exit"), Some("process_exit_last"));
}

#[test]
fn what_was_not_found_in_types_that_were_read_in_part_says_so() {
    let mut facts = facts();
    facts.btf_unread = Some("type 9 is of the unknown kind 25".to_owned());
    facts.layout.mm_owner = MISSING;
    facts.tracepoints.remove("mm_vmscan_throttled");
    let plan = plan(&facts);
    for signal in [Signal::SwapOut, Signal::Throttling] {
        let quality = status(&plan, signal).quality;
        let reason = quality.reason().unwrap_or_default();
        assert!(reason.contains("unknown kind 25"), "{signal:?}: {reason}");
    }
    assert_eq!(status(&plan, Signal::DirectReclaim).quality, Quality::Exact);
}

#[test]
fn half_a_pair_measures_nothing() {
    let mut facts = facts();
    facts.tracepoints.remove("mm_vmscan_direct_reclaim_end");
    assert!(status(&plan(&facts), Signal::DirectReclaim).quality.is_absent());
}

#[test]
fn a_missing_field_is_named() {
    let mut facts = facts();
    facts.layout.mm_owner = MISSING;
    let plan = plan(&facts);
    let reason = status(&plan, Signal::SwapOut).quality.reason().unwrap().to_owned();
    assert!(reason.contains("mm_struct.owner"), "{reason}");
}

#[test]
fn without_btf_what_needs_no_fields_still_runs() {
    let plan = plan(&without_btf("no BTF here".to_owned()));
    assert_eq!(status(&plan, Signal::GuestFaults).quality.word(), "approximate");
    assert_eq!(status(&plan, Signal::DirectReclaim).quality, Quality::Exact);
    for signal in [Signal::SwapIn, Signal::SwapOut, Signal::Flows, Signal::ShmemTaken] {
        assert_eq!(status(&plan, signal).quality, Quality::absent("no BTF here"), "{signal:?}");
    }
}

#[test]
fn arm_has_guest_faults_of_its_own_and_no_asynchronous_ones() {
    let mut facts = facts();
    facts.architecture = "aarch64";
    let plan = plan(&facts);
    assert_eq!(program(&plan, "kvm_guest_fault"), Some("guest_fault"));
    assert!(status(&plan, Signal::AsyncFaults).quality.is_absent());
}

#[test]
fn no_missing_thing_is_ever_without_a_reason() {
    for missing in TRACEPOINTS {
        let mut facts = facts();
        facts.tracepoints.remove(missing);
        let plan = plan(&facts);
        for status in statuses(&plan.hooks, &plan.absent, plan.means) {
            if status.quality != Quality::Exact {
                assert!(!status.quality.reason().unwrap().is_empty(), "{missing}: {status:?}");
            }
        }
    }
}
