//! Whether the pass over the table of processes fits a kernel. Pure.

use memtrace_ebpf::KFUNCS;

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
    fn it_fits_where_all_is_there_and_says_what_is_missing() {
        assert_eq!(kernel_functions(&facts()), Ok([900, 901]));
        let reason = |facts: &KernelFacts| kernel_functions(facts).unwrap_err();
        let old = KernelFacts { kfuncs: BTreeMap::new(), ..facts() };
        assert!(reason(&old).contains("no function bpf_task_from_pid, which came with 6.2"));
        let mut other = facts();
        other.layout.signal_sequence = MISSING;
        assert!(reason(&other).contains("no signal_struct.stats_lock"));
        assert_eq!(reason(&without_btf("no BTF".to_owned())), "no BTF");
    }
}
