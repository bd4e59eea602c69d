//! Detects the features of the running kernel for the plan.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use memtrace_ebpf::{KFUNCS, KernelLayout, MISSING};

use super::btf::Btf;
use super::signature::Signature;

/// What the plan needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFacts {
    pub layout: KernelLayout,
    /// Tracepoints of the kernel proper that memtrace has a use for. Modules' (KVM's)
    /// are not in it.
    pub tracepoints: BTreeMap<&'static str, Signature>,
    /// Functions of the kernel proper that an optional program can go to.
    pub functions: BTreeMap<&'static str, Signature>,
    /// `x86_64`, `aarch64`, ...
    pub architecture: &'static str,
    /// Whether a huge page can be swapped in whole (since about 6.13).
    pub large_swap_in: bool,
    /// Ids of functions that programs can call.
    pub kfuncs: BTreeMap<&'static str, u32>,
    /// Why there is no type information.
    pub btf_problem: Option<String>,
    /// Why there is less of it than the kernel has.
    pub btf_unread: Option<String>,
}

/// Features of the kernel beyond its hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// As in [`super::KernelSide::swap_ins_need_vmswap`].
    pub swap_ins_need_vmswap: bool,
    /// How many pages a large folio has.
    pub folio_sizes: bool,
}

impl KernelFacts {
    /// The reason of whatever isn't found: `what` is what the kernel seems to lack.
    pub(crate) fn lack(&self, what: String) -> String {
        match &self.btf_unread {
            Some(unread) => format!("{what}; its BTF is read in part: {unread}"),
            None => what,
        }
    }

    /// Whether `rss_stat` carries the counter's value, and comes in batches (up to 6.1).
    pub(crate) fn batched_swap_in(&self) -> bool {
        self.tracepoints.get("rss_stat").is_some_and(|form| form.len() >= 3)
    }

    pub fn means(&self) -> Means {
        let KernelLayout { folio_flags, folio_nr_pages, page_head_bit, .. } = self.layout;
        Means {
            swap_ins_need_vmswap: self.large_swap_in || self.batched_swap_in(),
            folio_sizes: ![folio_flags, folio_nr_pages, page_head_bit].contains(&MISSING),
        }
    }
}

/// Every tracepoint whose existence or form makes a difference to the plan.
pub const TRACEPOINTS: [&str; 20] = [
    "rss_stat",
    "count_memcg_events",
    "mm_vmscan_write_folio",
    "mm_vmscan_writepage",
    "mm_vmscan_direct_reclaim_begin",
    "mm_vmscan_direct_reclaim_end",
    "mm_vmscan_memcg_reclaim_begin",
    "mm_vmscan_memcg_reclaim_end",
    "mm_vmscan_throttled",
    "mm_vmscan_wakeup_kswapd",
    "mm_vmscan_kswapd_wake",
    "mm_vmscan_kswapd_sleep",
    "mm_compaction_try_to_compact_pages",
    "mm_compaction_begin",
    "mm_compaction_end",
    "mark_victim",
    "page_fault_user",
    "page_fault_kernel",
    "sched_process_exec",
    "sched_process_exit",
];

/// Every function that an optional program goes to on some kernel.
pub(crate) const FUNCTIONS: [&str; 8] = [
    "do_swap_page",
    "shmem_swapin_page",
    "shmem_swapin_folio",
    "shmem_writepage",
    "shmem_writeout",
    "shmem_add_to_page_cache",
    "throttle_direct_reclaim",
    "try_to_free_mem_cgroup_pages",
];

/// Reads the running kernel's facts below `sys` (`/sys`). Never fails: what is missing
/// is a fact as well.
pub fn facts(sys: &Path) -> KernelFacts {
    match read_btf(sys) {
        Ok(btf) => facts_of(&btf),
        Err(error) => without_btf(format!("{error:#}")),
    }
}

/// One more than the highest memory node that is online; 1 where that is unknown.
pub(crate) fn memory_nodes(sys: &Path) -> u32 {
    /// Linux' own limit (CONFIG_NODES_SHIFT=10).
    const MOST: u32 = 1024;
    let text = std::fs::read_to_string(sys.join("devices/system/node/online"));
    let text = text.unwrap_or_default();
    let last = text.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<u32>().ok());
    last.map_or(1, |last| last.saturating_add(1).min(MOST))
}

/// The facts of a kernel whose types can't be read.
pub fn without_btf(problem: String) -> KernelFacts {
    KernelFacts {
        layout: KernelLayout::UNKNOWN,
        tracepoints: BTreeMap::new(),
        functions: BTreeMap::new(),
        architecture: std::env::consts::ARCH,
        large_swap_in: false,
        kfuncs: BTreeMap::new(),
        btf_problem: Some(problem),
        btf_unread: None,
    }
}

fn read_btf(sys: &Path) -> Result<Btf> {
    let path = sys.join("kernel/btf/vmlinux");
    let data = std::fs::read(&path).with_context(|| {
        format!("cannot read {} (is the kernel built with CONFIG_DEBUG_INFO_BTF?)", path.display())
    })?;
    Btf::parse(data).with_context(|| format!("cannot parse {}", path.display()))
}

/// Picks from the kernel's types what memtrace needs.
pub(crate) fn facts_of(btf: &Btf) -> KernelFacts {
    let offset = |name: &str, path: &str| btf.offset(name, path).unwrap_or(MISSING);
    let either = |new: &str, old: &str, path: &str| {
        btf.offset(new, path).or_else(|| btf.offset(old, path)).unwrap_or(MISSING)
    };
    let item = |name: &str| btf.enumerator("vm_event_item", name).unwrap_or(MISSING);
    let first = |candidates: &[(&str, &str)]| {
        candidates.iter().find_map(|(name, path)| btf.offset(name, path)).unwrap_or(MISSING)
    };
    let layout = KernelLayout {
        abi_version: memtrace_ebpf::ABI_VERSION,
        task_flags: offset("task_struct", "flags"),
        task_tgid: offset("task_struct", "tgid"),
        task_mm: offset("task_struct", "mm"),
        mm_owner: offset("mm_struct", "owner"),
        memcg_cgroup: offset("mem_cgroup", "css.cgroup"),
        cgroup_kn: offset("cgroup", "kn"),
        kernfs_node_id: offset("kernfs_node", "id"),
        // Before folios the field was the page's, and before 5.11 it had another name.
        folio_memcg_data: first(&[
            ("folio", "memcg_data"),
            ("page", "memcg_data"),
            ("page", "mem_cgroup"),
        ]),
        // From the version on that has `is_root`, memcg_data always is an obj_cgroup.
        memcg_data_is_objcg: u32::from(btf.offset("obj_cgroup", "is_root").is_some()),
        objcg_memcg: offset("obj_cgroup", "memcg"),
        folio_flags: either("folio", "page", "flags"),
        folio_nr_pages: folio_nr_pages(btf).unwrap_or(MISSING),
        page_head_bit: btf.enumerator("pageflags", "PG_head").unwrap_or(MISSING),
        item_pgmajfault: item("PGMAJFAULT"),
        item_pswpin: item("PSWPIN"),
        item_pswpout: item("PSWPOUT"),
        vm_fault_vma: offset("vm_fault", "vma"),
        vm_fault_flags: offset("vm_fault", "flags"),
        vma_mm: offset("vm_area_struct", "vm_mm"),
        folio_mapping: either("folio", "page", "mapping"),
        mapping_host: offset("address_space", "host"),
        inode_ino: offset("inode", "i_ino"),
        inode_sb: offset("inode", "i_sb"),
        sb_dev: offset("super_block", "s_dev"),
        task_nvcsw: offset("task_struct", "nvcsw"),
        ..layout_of_processes(btf)
    };
    let tracepoints =
        TRACEPOINTS.into_iter().filter_map(|name| Some((name, btf.tracepoint(name)?))).collect();
    // The counter of huge pages that came back whole came with the ability itself.
    let large_swap_in = btf.enumerator("mthp_stat_item", "MTHP_STAT_SWPIN").is_some();
    KernelFacts {
        layout,
        tracepoints,
        functions: btf.functions(&FUNCTIONS),
        architecture: std::env::consts::ARCH,
        large_swap_in,
        kfuncs: btf.function_ids(&KFUNCS),
        btf_problem: None,
        btf_unread: btf.unread().map(str::to_owned),
    }
}

/// What the pass over the table of processes needs of the layout, and nothing else.
fn layout_of_processes(btf: &Btf) -> KernelLayout {
    let offset = |name: &str, path: &str| btf.offset(name, path).unwrap_or(MISSING);
    let event = |name: &str| btf.enumerator("memcg_memory_event", name).unwrap_or(MISSING);
    KernelLayout {
        task_signal: offset("task_struct", "signal"),
        task_cgroups: offset("task_struct", "cgroups"),
        task_comm: offset("task_struct", "comm"),
        task_state: offset("task_struct", "__state"),
        task_exit_state: offset("task_struct", "exit_state"),
        task_start: offset("task_struct", "start_boottime"),
        task_min_flt: offset("task_struct", "min_flt"),
        task_maj_flt: offset("task_struct", "maj_flt"),
        task_runtime: offset("task_struct", "se.sum_exec_runtime"),
        task_thread_node: offset("task_struct", "thread_node"),
        signal_threads: offset("signal_struct", "nr_threads"),
        signal_thread_head: offset("signal_struct", "thread_head"),
        signal_min_flt: offset("signal_struct", "min_flt"),
        signal_maj_flt: offset("signal_struct", "maj_flt"),
        signal_runtime: offset("signal_struct", "sum_sched_runtime"),
        signal_sequence: offset("signal_struct", "stats_lock.seqcount.seqcount.sequence"),
        mm_total_vm: offset("mm_struct", "total_vm"),
        mm_rss_stat: offset("mm_struct", "rss_stat"),
        percpu_counter_count: offset("percpu_counter", "count"),
        percpu_counter_size: btf.size("percpu_counter").unwrap_or(MISSING),
        css_set_memory: css_set_memory(btf).unwrap_or(MISSING),
        css_set_unified: offset("css_set", "dfl_cgrp"),
        memcg_usage: offset("mem_cgroup", "memory.usage"),
        memcg_failures: offset("mem_cgroup", "memory.failcnt"),
        memcg_events: offset("mem_cgroup", "memory_events"),
        memcg_event_max: event("MEMCG_MAX"),
        memcg_event_oom_kill: event("MEMCG_OOM_KILL"),
        memcg_memory: offset("mem_cgroup", "memory"),
        // Without swapping there are no files of it, but the field is there.
        memcg_swap: btf
            .enumerator("vm_event_item", "SWAP_RA")
            .and_then(|_| btf.offset("mem_cgroup", "swap"))
            .unwrap_or(MISSING),
        counter_usage: offset("page_counter", "usage"),
        counter_max: offset("page_counter", "max"),
        counter_high: offset("page_counter", "high"),
        counter_parent: offset("page_counter", "parent"),
        ..KernelLayout::UNKNOWN
    }
}

/// Where a `css_set` points to the state of its `mem_cgroup`, if that is what a `mem_cgroup` begins
/// with.
fn css_set_memory(btf: &Btf) -> Option<u32> {
    const POINTER: u32 = 8;
    btf.offset("mem_cgroup", "css").filter(|offset| *offset == 0)?;
    let place = btf.enumerator("cgroup_subsys_id", "memory_cgrp_id")?.checked_mul(POINTER)?;
    btf.offset("css_set", "subsys")?.checked_add(place)
}

/// Where a large folio has its number of pages: the field of today, that up to 6.14, or
/// before folios the second page's. 32 bits in all of them (include/linux/mm_types.h).
fn folio_nr_pages(btf: &Btf) -> Option<u32> {
    btf.offset("folio", "_nr_pages")
        .or_else(|| btf.offset("folio", "_folio_nr_pages"))
        .or_else(|| btf.size("page")?.checked_add(btf.offset("page", "compound_nr")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_nodes_are_those_below_the_given_root() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(memory_nodes(sys.path()), 1, "nothing to tell by");
        let directory = sys.path().join("devices/system/node");
        std::fs::create_dir_all(&directory).unwrap();
        for (text, nodes) in [("0\n", 1), ("0-3\n", 4), ("0,2-5\n", 6), ("?", 1), ("9999999", 1024)]
        {
            std::fs::write(directory.join("online"), text).unwrap();
            assert_eq!(memory_nodes(sys.path()), nodes, "{text:?}");
        }
    }
}
