//! The optional programs on each kernel whose functions' forms are known: Debian's of
//! these series, by their BTF.

use super::*;

type Functions = BTreeMap<&'static str, Signature>;

const MEMCG_ARGUMENTS: [&str; 4] =
    ["struct mem_cgroup *", "long unsigned int", "gfp_t", "unsigned int"];
const THROTTLE: [&str; 3] = ["gfp_t", "struct zonelist *", "nodemask_t *"];

fn swapin(sixth: &str) -> Signature {
    form(&[
        "struct inode *",
        "long unsigned int",
        "void **",
        "enum sgp_type",
        "gfp_t",
        sixth,
        "vm_fault_t *",
    ])
}

fn add(page: &str, with_mm: bool) -> Signature {
    let page = format!("struct {page} *");
    let mut arguments =
        vec![page.as_str(), "struct address_space *", "long unsigned int", "void *", "gfp_t"];
    arguments.extend(with_mm.then_some("struct mm_struct *"));
    form(&arguments)
}

fn functions(special: [(&'static str, Signature); 3]) -> Functions {
    let mut functions: Functions = special.into();
    functions.insert("do_swap_page", form(&["struct vm_fault *"]));
    functions.insert("throttle_direct_reclaim", form(&THROTTLE));
    functions.insert("try_to_free_mem_cgroup_pages", form(&MEMCG_ARGUMENTS));
    functions
}

pub(super) fn functions_of_5_10() -> Functions {
    functions([
        ("shmem_swapin_page", swapin("struct vm_area_struct *")),
        ("shmem_writepage", form(&["struct page *", "struct writeback_control *"])),
        ("shmem_add_to_page_cache", add("page", true)),
    ])
}

fn functions_of_6_1() -> Functions {
    functions([
        ("shmem_swapin_folio", swapin("struct vm_area_struct *")),
        ("shmem_writepage", form(&["struct page *", "struct writeback_control *"])),
        ("shmem_add_to_page_cache", add("folio", true)),
    ])
}

fn functions_of_6_12() -> Functions {
    let mut functions = functions_of_6_1();
    functions.insert("shmem_add_to_page_cache", add("folio", false));
    functions
}

pub(super) fn functions_of_6_18() -> Functions {
    functions([
        ("shmem_swapin_folio", swapin("struct vm_area_struct *")),
        ("shmem_writeout", form(&["struct folio *", "void **", "struct list_head *"])),
        ("shmem_add_to_page_cache", add("folio", false)),
    ])
}

pub(super) fn functions_of_7_3() -> Functions {
    functions([
        ("shmem_swapin_folio", swapin("struct vm_fault *")),
        ("shmem_writeout", form(&["struct swap_io_ctx *", "struct folio *", "struct list_head *"])),
        ("shmem_add_to_page_cache", add("folio", false)),
    ])
}

fn plan_with(functions: Functions) -> Plan {
    plan(&KernelFacts { functions, ..facts() })
}

/// Programs at functions, each with its function.
fn deep(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    let functions = plan.hooks.iter().filter(|hook| hook.kind != HookKind::RawTracepoint);
    functions.map(|hook| (hook.program, hook.target)).collect()
}

/// Programs that count shared memory on its way to swap and back.
const SHARED: [&str; 6] = [
    "shared_out_begin_first",
    "shared_out_begin_second",
    "shared_out_end_2",
    "shared_out_end_3",
    "shared_in_5",
    "shared_in_6",
];

fn shared(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    deep(plan).into_iter().filter(|(program, _)| SHARED.contains(program)).collect()
}

#[test]
fn every_kernel_gets_the_programs_of_its_form() {
    let out = |end, begin, function| [(end, function), (begin, function)];
    for (functions, expected, back) in [
        (
            functions_of_5_10(),
            out("shared_out_end_2", "shared_out_begin_first", "shmem_writepage"),
            "shared_in_6",
        ),
        (
            functions_of_6_1(),
            out("shared_out_end_2", "shared_out_begin_first", "shmem_writepage"),
            "shared_in_6",
        ),
        (
            functions_of_6_12(),
            out("shared_out_end_2", "shared_out_begin_first", "shmem_writepage"),
            "shared_in_5",
        ),
        (
            functions_of_6_18(),
            out("shared_out_end_3", "shared_out_begin_first", "shmem_writeout"),
            "shared_in_5",
        ),
        (
            functions_of_7_3(),
            out("shared_out_end_3", "shared_out_begin_second", "shmem_writeout"),
            "shared_in_5",
        ),
    ] {
        let plan = plan_with(functions);
        assert_eq!(plan.absent, vec![]);
        let back = (back, "shmem_add_to_page_cache");
        assert_eq!(shared(&plan), [expected.as_slice(), &[back]].concat());
        assert_eq!(deep(&plan).len(), 10);
        for signal in [Signal::ShmemSwap, Signal::ThrottleWait, Signal::ReclaimForVm] {
            assert_eq!(status(&plan, signal).quality, Quality::Exact, "{signal:?}");
        }
    }
}

#[test]
fn a_function_is_named_as_the_source_once() {
    let plan = plan_with(functions_of_5_10());
    let source = |signal| status(&plan, signal).source;
    assert_eq!(
        source(Signal::SwapInWait).as_deref(),
        Some("fentry do_swap_page, shmem_swapin_page")
    );
    assert_eq!(source(Signal::ThrottleWait).as_deref(), Some("fentry throttle_direct_reclaim"));
}

#[test]
fn where_the_tracepoint_has_the_cgroup_no_function_is_needed_for_it() {
    let plan = plan(&facts_of_7_3());
    assert_eq!(program(&plan, "try_to_free_mem_cgroup_pages"), None);
    let told = status(&plan, Signal::ReclaimForVm);
    assert_eq!(told.source.as_deref(), Some("raw_tp vmscan:mm_vmscan_memcg_reclaim_begin"));
    assert_eq!(told.quality, Quality::Exact);
}

#[test]
fn an_inlined_function_switches_its_own_signal_off_and_no_other() {
    let mut functions = functions_of_6_18();
    functions.remove("throttle_direct_reclaim");
    let plan = plan_with(functions);
    let reason = status(&plan, Signal::ThrottleWait).quality;
    assert!(reason.reason().unwrap().contains("throttle_direct_reclaim"), "{reason:?}");
    assert_eq!(status(&plan, Signal::ShmemSwap).quality, Quality::Exact);
}

#[test]
fn an_unknown_form_is_left_alone() {
    for (name, arguments) in [
        ("do_swap_page", ["struct vm_fault *", "int"].as_slice()),
        ("shmem_writeout", &["struct writeback_control *", "int"]),
        ("shmem_add_to_page_cache", &["struct folio *", "int", "int", "void *", "gfp_t"]),
        ("try_to_free_mem_cgroup_pages", &["int", "struct mem_cgroup *"]),
    ] {
        let mut functions = functions_of_6_18();
        functions.insert(name, form(arguments));
        let plan = plan_with(functions);
        assert_eq!(program(&plan, name), None, "{name}");
        let (_, reason) = plan.absent.first().unwrap();
        assert!(reason.contains(name), "{reason}");
    }
}

#[test]
fn a_missing_field_of_an_optional_program_is_named() {
    let mut facts = facts();
    facts.layout.inode_sb = MISSING;
    let plan = plan(&facts);
    let shmem = status(&plan, Signal::ShmemSwap).quality;
    assert!(shmem.reason().unwrap().contains("inode.i_sb"), "{shmem:?}");
    // Private memory's waits need no inode.
    assert_eq!(status(&plan, Signal::SwapInWait).quality.word(), "approximate");
}

/// As on kernels that can't attach to seven arguments (before 6.6 on x86).
#[test]
fn without_shared_memory_waits_for_private_memory_are_still_told() {
    let mut plan = plan_with(functions_of_6_1());
    let (refused, hooks) =
        plan.hooks.into_iter().partition(|hook| hook.target == "shmem_swapin_folio");
    plan.hooks = hooks;
    let refused: Vec<Hook> = refused;
    plan.absent = refused.into_iter().map(|hook| (hook, "too many arguments".into())).collect();
    let waits = status(&plan, Signal::SwapInWait);
    assert_eq!(waits.source.as_deref(), Some("fentry do_swap_page"));
    let reason = waits.quality.reason().unwrap();
    assert!(!waits.quality.is_absent() && reason.contains("too many arguments"), "{reason}");
}

#[test]
fn where_fentry_is_refused_only_optional_signals_are_missing() {
    let mut plan = plan(&facts());
    let (tracepoints, functions): (Vec<_>, Vec<_>) =
        plan.hooks.into_iter().partition(|hook| hook.kind == HookKind::RawTracepoint);
    plan.hooks = tracepoints;
    plan.absent = functions.into_iter().map(|hook| (hook, "refused".to_owned())).collect();
    for status in statuses(&plan.hooks, &plan.absent, facts().means()) {
        assert_eq!(status.quality.is_absent(), status.signal.is_optional(), "{status:?}");
        assert_eq!(status.is_spared(), status.signal.is_optional());
    }
}
