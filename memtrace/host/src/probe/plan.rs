//! The attach plan: programs and their tracepoints or functions, and the resulting quality of each
//! signal. Pure.

mod deep;
mod demand;
mod pass;
mod signal_quality;

use memtrace_ebpf::{KernelLayout, MISSING};

use super::support::{KernelFacts, Means};
use memtrace_core::signal::Signal;
pub(super) use pass::{files_of_cgroups, kernel_functions};
pub use signal_quality::statuses;

/// One program in one place of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Name of the program in the object.
    pub program: &'static str,
    pub kind: HookKind,
    /// The tracepoint's category and name, as perf and tracefs write them; or the
    /// function's name.
    pub target: &'static str,
    /// It comes with a module (KVM), so it may appear later.
    pub module: bool,
    pub signals: &'static [Signal],
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    RawTracepoint,
    /// At a function's begin.
    Entry,
    /// At a function's end.
    Exit,
}

impl Hook {
    /// The target's name without a category.
    pub(crate) fn target_name(&self) -> &'static str {
        self.target.rsplit(':').next().unwrap_or(self.target)
    }
}

/// Hooks to attach, and unsupported ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub layout: KernelLayout,
    pub hooks: Vec<Hook>,
    /// Hooks that this kernel lacks, with the reason.
    pub absent: Vec<(Hook, String)>,
    pub means: Means,
}

/// Fields of the layout, by name, that a program can't do without.
type Fields = &'static [(&'static str, fn(&KernelLayout) -> u32)];

const TASK: Fields = &[("task_struct.tgid", |layout| layout.task_tgid)];
const OWNER: Fields = &[
    ("task_struct.flags", |layout| layout.task_flags),
    ("task_struct.mm", |layout| layout.task_mm),
    ("mm_struct.owner", |layout| layout.mm_owner),
];
const MEMCG: Fields = &[
    ("mem_cgroup.css.cgroup", |layout| layout.memcg_cgroup),
    ("cgroup.kn", |layout| layout.cgroup_kn),
    ("kernfs_node.id", |layout| layout.kernfs_node_id),
];
const EVENTS: Fields = &[("enumerator PGMAJFAULT", |layout| layout.item_pgmajfault)];
const FOLIO: Fields = &[("folio.memcg_data", |layout| layout.folio_memcg_data)];

use Signal as S;

/// The plan for a kernel with these features.
pub fn plan(facts: &KernelFacts) -> Plan {
    let mut plan =
        Plan { layout: facts.layout, hooks: Vec::new(), absent: Vec::new(), means: facts.means() };
    plan_faults(&mut plan, facts);
    plan_swap(&mut plan, facts);
    plan_reclaim(&mut plan, facts);
    plan_lifecycle(&mut plan, facts);
    plan_oom(&mut plan, facts);
    deep::plan(&mut plan, facts);
    plan
}

fn plan_faults(plan: &mut Plan, facts: &KernelFacts) {
    let guest_fault = match facts.architecture {
        "aarch64" => "kvm:kvm_guest_fault",
        _ => "kvm:kvm_page_fault",
    };
    plan.attach_module("guest_fault", guest_fault, &[S::GuestFaults, S::Lifecycle]);
    plan.attach(facts, "user_fault", "exceptions:page_fault_user", &[S::UserFaults], &[]);
    plan.attach(facts, "kernel_fault", "exceptions:page_fault_kernel", &[S::KernelFaults], &[]);
    plan.attach(
        facts,
        "memcg_event",
        "memcg:count_memcg_events",
        &[S::MajorFaults],
        &[MEMCG, EVENTS],
    );
    if facts.architecture == "x86_64" {
        let signals = &[S::AsyncFaults];
        plan.attach_module("async_fault_end", "kvm:kvm_async_pf_ready", signals);
        plan.attach_module("async_fault_begin", "kvm:kvm_async_pf_not_present", signals);
    } else {
        plan.lacks(
            "async_fault_begin",
            "kvm:kvm_async_pf_not_present",
            &[S::AsyncFaults],
            format!("KVM has no asynchronous page faults on {}", facts.architecture),
        );
    }
}

fn plan_swap(plan: &mut Plan, facts: &KernelFacts) {
    let signals = &[S::SwapIn, S::SwapOut, S::ShmemTaken, S::Flows];
    // Up to 6.1 the event carries the counter's value, and comes in batches.
    let program = if facts.batched_swap_in() { "rss_stat_count" } else { "rss_stat" };
    plan.attach(facts, program, "kmem:rss_stat", signals, &[TASK, OWNER]);
    let folios = facts.tracepoints.contains_key("mm_vmscan_write_folio");
    let tracepoint = match folios {
        true => "vmscan:mm_vmscan_write_folio",
        false => "vmscan:mm_vmscan_writepage",
    };
    plan.attach(facts, "reclaim_write", tracepoint, &[S::ReclaimWrites], &[FOLIO, MEMCG]);
}

fn plan_lifecycle(plan: &mut Plan, facts: &KernelFacts) {
    // Since 6.16 it says whether this was the last thread.
    let exit = facts.tracepoints.get("sched_process_exit");
    let program = match exit.is_some_and(|form| form.is_named(1, "bool")) {
        true => "process_exit_last",
        false => "process_exit",
    };
    plan.attach(facts, program, "sched:sched_process_exit", &[S::Lifecycle], &[]);
    plan.attach(facts, "process_exec", "sched:sched_process_exec", &[S::Lifecycle], &[]);
}

/// Of a wait its end goes before its begin, as in [`deep`].
fn plan_reclaim(plan: &mut Plan, facts: &KernelFacts) {
    const DIRECT: &[Signal] = &[S::DirectReclaim];
    const WITHIN: &[Signal] = &[S::MemcgReclaim];
    const WITHIN_AND_FOR: &[Signal] = &[S::MemcgReclaim, S::ReclaimForVm];
    let begin = "vmscan:mm_vmscan_direct_reclaim_begin";
    plan.attach(facts, "direct_reclaim_end", "vmscan:mm_vmscan_direct_reclaim_end", DIRECT, &[]);
    plan.attach(facts, "direct_reclaim_begin", begin, DIRECT, &[]);
    // 7.x gives the cgroup.
    let tells_memcg = facts
        .tracepoints
        .get("mm_vmscan_memcg_reclaim_begin")
        .is_some_and(|form| form.is_pointer_to(2, "mem_cgroup"));
    let (program, signals, needs) = match tells_memcg {
        true => ("memcg_reclaim_begin_memcg", WITHIN_AND_FOR, &[MEMCG] as &[Fields]),
        false => ("memcg_reclaim_begin", WITHIN, &[] as &[Fields]),
    };
    plan.attach(facts, "memcg_reclaim_end", "vmscan:mm_vmscan_memcg_reclaim_end", WITHIN, &[]);
    plan.attach(facts, program, "vmscan:mm_vmscan_memcg_reclaim_begin", signals, needs);
    plan.attach(facts, "throttled", "vmscan:mm_vmscan_throttled", &[S::Throttling], &[]);
    for (program, tracepoint) in [
        ("kswapd_wake", "vmscan:mm_vmscan_kswapd_wake"),
        ("kswapd_sleep", "vmscan:mm_vmscan_kswapd_sleep"),
        ("wakeup_kswapd", "vmscan:mm_vmscan_wakeup_kswapd"),
    ] {
        plan.attach(facts, program, tracepoint, &[S::Kswapd], &[]);
    }
    const COMPACTION: &[Signal] = &[S::Compaction];
    plan.attach(facts, "compaction_end", "compaction:mm_compaction_end", COMPACTION, &[]);
    plan.attach(facts, "compaction_begin", "compaction:mm_compaction_begin", COMPACTION, &[]);
    let attempt = "compaction:mm_compaction_try_to_compact_pages";
    plan.attach(facts, "compaction", attempt, COMPACTION, &[]);
}

fn plan_oom(plan: &mut Plan, facts: &KernelFacts) {
    let task = facts
        .tracepoints
        .get("mark_victim")
        .is_some_and(|form| form.is_pointer_to(0, "task_struct"));
    let (program, needs) = match task {
        true => ("oom_victim_task", &[TASK] as &[Fields]),
        false => ("oom_victim_pid", &[] as &[Fields]),
    };
    plan.attach(facts, program, "oom:mark_victim", &[S::OomKills], needs);
}

impl Plan {
    /// Plans a hook of the kernel proper, if the kernel has it and all that it needs.
    fn attach(
        &mut self,
        facts: &KernelFacts,
        program: &'static str,
        target: &'static str,
        signals: &'static [Signal],
        needs: &[Fields],
    ) {
        let kind = HookKind::RawTracepoint;
        let hook = Hook { program, kind, target, module: false, signals };
        let missing = missing(&facts.layout, needs);
        if let (Some(problem), Some(_)) = (&facts.btf_problem, missing) {
            self.absent.push((hook, problem.clone()));
        } else if facts.btf_problem.is_none() && !facts.tracepoints.contains_key(hook.target_name())
        {
            let what = format!("this kernel has no tracepoint {target}");
            self.absent.push((hook, facts.lack(what)));
        } else if let Some(field) = missing {
            self.absent.push((hook, facts.lack(format!("this kernel's BTF has no {field}"))));
        } else {
            self.hooks.push(hook);
        }
    }

    /// Plans a hook of a module. Only attaching shows whether it exists.
    fn attach_module(
        &mut self,
        program: &'static str,
        target: &'static str,
        signals: &'static [Signal],
    ) {
        let kind = HookKind::RawTracepoint;
        self.hooks.push(Hook { program, kind, target, module: true, signals });
    }

    fn lacks(
        &mut self,
        program: &'static str,
        target: &'static str,
        signals: &'static [Signal],
        reason: String,
    ) {
        let kind = HookKind::RawTracepoint;
        self.absent.push((Hook { program, kind, target, module: false, signals }, reason));
    }
}

/// The first field that a program needs and this kernel doesn't have.
fn missing(layout: &KernelLayout, needs: &[Fields]) -> Option<&'static str> {
    let mut fields = needs.iter().copied().flatten();
    fields.find(|(_, field)| field(layout) == MISSING).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;
