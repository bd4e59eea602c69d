//! The optional programs: at functions instead of tracepoints. Functions are no stable interface,
//! so each signature is checked; a mismatch disables only its own signal.

use super::{Fields, Hook, HookKind, MEMCG, OWNER, Plan, TASK, missing};
use crate::probe::signature::Signature;
use crate::probe::support::KernelFacts;
use memtrace_core::signal::{Quality, Signal};

/// The best quality of swap-in waits.
pub(super) const WHOLE_FAULTS: &str =
    "latency of faults that read swap or wait for a read in progress, without reclaim in them";

const FAULT: Fields = &[
    ("vm_fault.vma", |layout| layout.vm_fault_vma),
    ("vm_fault.flags", |layout| layout.vm_fault_flags),
    ("vm_area_struct.vm_mm", |layout| layout.vma_mm),
];
const INODE: Fields = &[
    ("inode.i_ino", |layout| layout.inode_ino),
    ("inode.i_sb", |layout| layout.inode_sb),
    ("super_block.s_dev", |layout| layout.sb_dev),
];
const MAPPING: Fields = &[
    ("page.mapping", |layout| layout.folio_mapping),
    ("address_space.host", |layout| layout.mapping_host),
    ("task_struct.flags", |layout| layout.task_flags),
];
const SLEEPS: Fields = &[
    ("task_struct.nvcsw", |layout| layout.task_nvcsw),
    ("task_struct.flags", |layout| layout.task_flags),
];

const PRIVATE: &str = "do_swap_page";

pub(super) fn plan(plan: &mut Plan, facts: &KernelFacts) {
    plan_waits(plan, facts);
    plan_shared(plan, facts);
    plan_reclaim(plan, facts);
}

/// The end before the begin, always: an end without a begin does nothing, but begins
/// without an end would fill their table.
fn plan_waits(plan: &mut Plan, facts: &KernelFacts) {
    const WAITS: &[Signal] = &[Signal::SwapInWait];
    let faults = |form: &Signature| form.len() == 1 && form.is_pointer_to(0, "vm_fault");
    let needs = &[FAULT, TASK, OWNER];
    plan.function(facts, ("swap_in_end", HookKind::Exit), PRIVATE, WAITS, faults, needs);
    plan.function(facts, ("swap_in_begin", HookKind::Entry), PRIVATE, WAITS, faults, needs);
    let shared = either(facts, "shmem_swapin_folio", "shmem_swapin_page");
    let inode = |form: &Signature| {
        form.len() == 7 && form.is_pointer_to(0, "inode") && form.is_named(6, "vm_fault_t *")
    };
    let needs = &[INODE];
    plan.function(facts, ("shared_swap_in_end", HookKind::Exit), shared, WAITS, inode, needs);
    plan.function(facts, ("shared_swap_in_begin", HookKind::Entry), shared, WAITS, inode, needs);
}

fn plan_shared(plan: &mut Plan, facts: &KernelFacts) {
    const SWAP: &[Signal] = &[Signal::ShmemSwap];
    let needs = &[INODE, MAPPING];
    let out = either(facts, "shmem_writeout", "shmem_writepage");
    let form = facts.functions.get(out);
    let is_folio = |index| {
        form.is_some_and(|form| {
            form.is_pointer_to(index, "folio") || form.is_pointer_to(index, "page")
        })
    };
    let begin = if is_folio(1) { "shared_out_begin_second" } else { "shared_out_begin_first" };
    let end = match form.map(Signature::len) {
        Some(3) => "shared_out_end_3",
        _ => "shared_out_end_2",
    };
    let fits = |form: &Signature| matches!(form.len(), 2 | 3) && (is_folio(0) != is_folio(1));
    plan.function(facts, (end, HookKind::Exit), out, SWAP, fits, needs);
    plan.function(facts, (begin, HookKind::Entry), out, SWAP, fits, needs);
    let back = "shmem_add_to_page_cache";
    let program = match facts.functions.get(back).map(Signature::len) {
        Some(6) => "shared_in_6",
        _ => "shared_in_5",
    };
    let fits = |form: &Signature| {
        matches!(form.len(), 5 | 6)
            && form.is_pointer_to(1, "address_space")
            && form.is_named(3, "void *")
    };
    plan.function(facts, (program, HookKind::Exit), back, SWAP, fits, needs);
}

fn plan_reclaim(plan: &mut Plan, facts: &KernelFacts) {
    const THROTTLE: &[Signal] = &[Signal::ThrottleWait];
    let throttle = "throttle_direct_reclaim";
    let any = |_: &Signature| true;
    let needs = &[TASK, SLEEPS];
    plan.function(facts, ("throttle_end", HookKind::Exit), throttle, THROTTLE, any, needs);
    plan.function(facts, ("throttle_begin", HookKind::Entry), throttle, THROTTLE, any, needs);
    let told = |hook: &Hook| hook.signals.contains(&Signal::ReclaimForVm);
    if plan.hooks.iter().any(told) || plan.absent.iter().any(|(hook, _)| told(hook)) {
        // The tracepoint itself has the cgroup.
        return;
    }
    plan.function(
        facts,
        ("memcg_reclaim_for", HookKind::Entry),
        "try_to_free_mem_cgroup_pages",
        &[Signal::ReclaimForVm],
        |form| form.is_pointer_to(0, "mem_cgroup"),
        &[MEMCG],
    );
}

/// The name that this kernel has; the second when it has neither.
fn either(facts: &KernelFacts, first: &'static str, second: &'static str) -> &'static str {
    if facts.functions.contains_key(first) { first } else { second }
}

impl Plan {
    /// Plans a hook at a function, if the kernel has it in a form that `fits`.
    fn function(
        &mut self,
        facts: &KernelFacts,
        (program, kind): (&'static str, HookKind),
        target: &'static str,
        signals: &'static [Signal],
        fits: impl Fn(&Signature) -> bool,
        needs: &[Fields],
    ) {
        let hook = Hook { program, kind, target, module: false, signals };
        let reason = match (&facts.btf_problem, facts.functions.get(target)) {
            (Some(problem), _) => problem.clone(),
            (None, None) => {
                facts.lack(format!("this kernel has no function {target}, or inlines it"))
            }
            (None, Some(form)) if !fits(form) => {
                format!("unexpected arguments of {target} in this kernel")
            }
            (None, Some(_)) => match missing(&facts.layout, needs) {
                Some(field) => facts.lack(format!("this kernel's BTF has no {field}")),
                None => return self.hooks.push(hook),
            },
        };
        self.absent.push((hook, reason));
    }
}

/// Waits for private memory are useful without those for shared memory.
pub(super) fn partial_swap_in_wait(hooks: &[&Hook], reason: &str) -> Quality {
    let private = hooks.iter().filter(|hook| hook.target == PRIVATE).count();
    match private {
        2 => Quality::approximate(format!("without shared memory: {reason}; {WHOLE_FAULTS}")),
        _ => Quality::absent(reason.to_owned()),
    }
}
