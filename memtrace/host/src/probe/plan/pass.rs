//! Whether the pass over the table of processes fits a kernel. Pure.

use memtrace_ebpf::{KFUNCS, KernelLayout};

use super::{Fields, missing};
use crate::probe::kfunc::Ids;
use crate::probe::support::KernelFacts;

/// All that it reads; without one of them the files say it.
const NEEDS: &[Fields] = &[TASK, THREADS, MEMORY, CGROUPS];
const TASK: Fields = &[
    ("task_struct.flags", |layout| layout.task_flags),
    ("task_struct.tgid", |layout| layout.task_tgid),
    ("task_struct.comm", |layout| layout.task_comm),
    ("task_struct.__state", |layout| layout.task_state),
    ("task_struct.exit_state", |layout| layout.task_exit_state),
    ("task_struct.start_boottime", |layout| layout.task_start),
];
const THREADS: Fields = &[
    ("task_struct.signal", |layout| layout.task_signal),
    ("task_struct.min_flt", |layout| layout.task_min_flt),
    ("task_struct.maj_flt", |layout| layout.task_maj_flt),
    ("task_struct.se.sum_exec_runtime", |layout| layout.task_runtime),
    ("task_struct.thread_node", |layout| layout.task_thread_node),
    ("signal_struct.nr_threads", |layout| layout.signal_threads),
    ("signal_struct.thread_head", |layout| layout.signal_thread_head),
    ("signal_struct.min_flt", |layout| layout.signal_min_flt),
    ("signal_struct.maj_flt", |layout| layout.signal_maj_flt),
    ("signal_struct.sum_sched_runtime", |layout| layout.signal_runtime),
    ("signal_struct.stats_lock", |layout| layout.signal_sequence),
];
const MEMORY: Fields = &[
    ("task_struct.mm", |layout| layout.task_mm),
    ("mm_struct.total_vm", |layout| layout.mm_total_vm),
    ("mm_struct.rss_stat", |layout| layout.mm_rss_stat),
    ("percpu_counter.count", |layout| layout.percpu_counter_count),
    ("percpu_counter", |layout| layout.percpu_counter_size),
];
const CGROUPS: Fields = &[
    ("task_struct.cgroups", |layout| layout.task_cgroups),
    ("css_set.subsys of memory", |layout| layout.css_set_memory),
    ("css_set.dfl_cgrp", |layout| layout.css_set_unified),
    ("mem_cgroup.css.cgroup", |layout| layout.memcg_cgroup),
    ("mem_cgroup.memory.usage", |layout| layout.memcg_usage),
    ("cgroup.kn", |layout| layout.cgroup_kn),
    ("kernfs_node.id", |layout| layout.kernfs_node_id),
];

/// What it tells as far as the kernel's fields are known, and else these files do.
const OPTIONAL: &[(&str, Fields)] = &[
    ("memory.failcnt", &[("mem_cgroup.memory.failcnt", |layout| layout.memcg_failures)]),
    (
        "memory.events",
        &[
            ("mem_cgroup.memory_events", |layout| layout.memcg_events),
            ("MEMCG_MAX", |layout| layout.memcg_event_max),
            ("MEMCG_OOM_KILL", |layout| layout.memcg_event_oom_kill),
        ],
    ),
    (
        "memory.max",
        &[
            ("mem_cgroup.memory", |layout| layout.memcg_memory),
            ("page_counter.max", |layout| layout.counter_max),
            ("page_counter.parent", |layout| layout.counter_parent),
        ],
    ),
    (
        "memory.high",
        &[
            ("mem_cgroup.memory", |layout| layout.memcg_memory),
            ("page_counter.high", |layout| layout.counter_high),
            ("page_counter.parent", |layout| layout.counter_parent),
        ],
    ),
    (
        "memory.swap.max",
        &[
            ("mem_cgroup.swap", |layout| layout.memcg_swap),
            ("page_counter.max", |layout| layout.counter_max),
            ("page_counter.parent", |layout| layout.counter_parent),
        ],
    ),
    (
        "memory.swap.current",
        &[
            ("mem_cgroup.swap", |layout| layout.memcg_swap),
            ("page_counter.usage", |layout| layout.counter_usage),
        ],
    ),
];

/// Files of a cgroup that are read in spite of the pass, as this kernel lacks their fields.
pub(in crate::probe) fn files_of_cgroups(layout: &KernelLayout) -> Vec<&'static str> {
    let lacks = |(_, needs): &&(_, Fields)| missing(layout, &[*needs]).is_some();
    OPTIONAL.iter().filter(lacks).map(|(file, _)| *file).collect()
}

/// The functions that it calls.
///
/// # Errors
/// A message for the operator: what this kernel lacks.
pub(in crate::probe) fn kernel_functions(facts: &KernelFacts) -> Result<Ids, String> {
    if let Some(problem) = &facts.btf_problem {
        return Err(problem.clone());
    }
    let mut ids = Ids::default();
    for (id, name) in ids.iter_mut().zip(KFUNCS) {
        let found = facts.kfuncs.get(name).copied();
        *id = found.ok_or_else(|| {
            facts.lack(format!("this kernel has no function {name}, which came with 6.2"))
        })?;
    }
    match missing(&facts.layout, NEEDS) {
        Some(field) => Err(facts.lack(format!("this kernel's BTF has no {field}"))),
        None => Ok(ids),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::facts;
    use super::*;
    use crate::probe::support::without_btf;
    use memtrace_ebpf::MISSING;

    #[test]
    fn each_field_is_left_to_its_file_by_itself() {
        let files = |change: fn(&mut KernelLayout)| {
            let mut facts = facts();
            change(&mut facts.layout);
            assert!(kernel_functions(&facts).is_ok(), "the rest is still told");
            files_of_cgroups(&facts.layout)
        };
        assert_eq!(files(|layout| layout.memcg_failures = MISSING), ["memory.failcnt"]);
        assert_eq!(files(|layout| layout.memcg_event_max = MISSING), ["memory.events"]);
        let swap = ["memory.swap.max", "memory.swap.current"];
        assert_eq!(files(|layout| layout.memcg_swap = MISSING), swap);
    }

    #[test]
    fn it_fits_where_all_is_there_and_says_what_is_missing() {
        assert_eq!(kernel_functions(&facts()), Ok([900, 901]));
        assert_eq!(files_of_cgroups(&facts().layout), [""; 0]);
        let reason = |facts: &KernelFacts| kernel_functions(facts).unwrap_err();
        let old = KernelFacts { kfuncs: BTreeMap::new(), ..facts() };
        assert!(reason(&old).contains("no function bpf_task_from_pid, which came with 6.2"));
        let mut other = facts();
        other.layout.signal_sequence = MISSING;
        assert!(reason(&other).contains("no signal_struct.stats_lock"));
        assert_eq!(reason(&without_btf("no BTF".to_owned())), "no BTF");
    }
}
