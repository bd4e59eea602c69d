//! What the programs must know of the running kernel: where fields lie, and what
//! its enumerators are worth. User space fills it in from BTF before loading;
//! nothing of it is compiled in.

/// An offset or a value that this kernel does not have.
pub const MISSING: u32 = u32::MAX;

/// Byte offsets and enumerators of the running kernel. [`MISSING`] where unknown.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelLayout {
    /// [`crate::ABI_VERSION`] of whoever filled this in.
    pub abi_version: u32,
    pub task_flags: u32,
    pub task_tgid: u32,
    pub task_mm: u32,
    pub mm_owner: u32,
    /// `mem_cgroup.css.cgroup`: from a memcg to its `struct cgroup`.
    pub memcg_cgroup: u32,
    pub cgroup_kn: u32,
    pub kernfs_node_id: u32,
    /// `folio.memcg_data`, or `page.memcg_data` before folios.
    pub folio_memcg_data: u32,
    /// 1 where `memcg_data` of a page-cache or anonymous folio always is an
    /// `obj_cgroup *` (7.x), 0 where it is a `mem_cgroup *`.
    pub memcg_data_is_objcg: u32,
    pub objcg_memcg: u32,
    /// `folio.flags`, or `page.flags` before folios.
    pub folio_flags: u32,
    /// Where the first page of a large folio has its number of pages (32 bits).
    pub folio_nr_pages: u32,
    /// The bit of the flags that only the first page of a large folio has.
    pub page_head_bit: u32,
    // Enumerators of `vm_event_item`.
    pub item_pgmajfault: u32,
    pub item_pswpin: u32,
    pub item_pswpout: u32,
    // For the optional programs.
    pub vm_fault_vma: u32,
    pub vm_fault_flags: u32,
    pub vma_mm: u32,
    /// `folio.mapping`, or `page.mapping` before folios.
    pub folio_mapping: u32,
    pub mapping_host: u32,
    pub inode_ino: u32,
    pub inode_sb: u32,
    pub sb_dev: u32,
    /// `task_struct.nvcsw`: counts up when the task goes to sleep.
    pub task_nvcsw: u32,
    // For the pass over the table of processes.
    pub task_signal: u32,
    pub task_cgroups: u32,
    pub task_comm: u32,
    /// `task_struct.__state`, which is `TASK_*` of include/linux/sched.h.
    pub task_state: u32,
    pub task_exit_state: u32,
    /// `task_struct.start_boottime`, in nanoseconds.
    pub task_start: u32,
    pub task_min_flt: u32,
    pub task_maj_flt: u32,
    /// `task_struct.se.sum_exec_runtime`, in nanoseconds.
    pub task_runtime: u32,
    pub task_thread_node: u32,
    /// `signal_struct.nr_threads`.
    pub signal_threads: u32,
    pub signal_thread_head: u32,
    pub signal_min_flt: u32,
    pub signal_maj_flt: u32,
    /// `signal_struct.sum_sched_runtime`: that of threads that have ended.
    pub signal_runtime: u32,
    /// The sequence counter of `signal_struct.stats_lock`.
    pub signal_sequence: u32,
    pub mm_total_vm: u32,
    /// `mm_struct.rss_stat`, where that is an array of `percpu_counter`.
    pub mm_rss_stat: u32,
    pub percpu_counter_count: u32,
    /// Size of a `percpu_counter`.
    pub percpu_counter_size: u32,
    /// Where a `css_set` points to its `mem_cgroup`, which begins with what it points to.
    pub css_set_memory: u32,
    /// `css_set.dfl_cgrp`: the cgroup in the version 2 hierarchy.
    pub css_set_unified: u32,
    /// `mem_cgroup.memory.usage`, in pages.
    pub memcg_usage: u32,
    /// `mem_cgroup.memory.failcnt`: how often a limit was hit, which version 1 shows.
    pub memcg_failures: u32,
    /// `mem_cgroup.memory_events`, and the enumerators of `memcg_memory_event` in it.
    pub memcg_events: u32,
    pub memcg_event_max: u32,
    pub memcg_event_oom_kill: u32,
    /// `mem_cgroup.memory`, and `mem_cgroup.swap` of a kernel that swaps.
    pub memcg_memory: u32,
    pub memcg_swap: u32,
    // In a `page_counter`, all in pages.
    pub counter_usage: u32,
    pub counter_max: u32,
    pub counter_high: u32,
    pub counter_parent: u32,
}

impl KernelLayout {
    /// A layout that knows nothing.
    pub const UNKNOWN: Self = Self {
        abi_version: crate::ABI_VERSION,
        task_flags: MISSING,
        task_tgid: MISSING,
        task_mm: MISSING,
        mm_owner: MISSING,
        memcg_cgroup: MISSING,
        cgroup_kn: MISSING,
        kernfs_node_id: MISSING,
        folio_memcg_data: MISSING,
        memcg_data_is_objcg: 0,
        objcg_memcg: MISSING,
        folio_flags: MISSING,
        folio_nr_pages: MISSING,
        page_head_bit: MISSING,
        item_pgmajfault: MISSING,
        item_pswpin: MISSING,
        item_pswpout: MISSING,
        vm_fault_vma: MISSING,
        vm_fault_flags: MISSING,
        vma_mm: MISSING,
        folio_mapping: MISSING,
        mapping_host: MISSING,
        inode_ino: MISSING,
        inode_sb: MISSING,
        sb_dev: MISSING,
        task_nvcsw: MISSING,
        task_signal: MISSING,
        task_cgroups: MISSING,
        task_comm: MISSING,
        task_state: MISSING,
        task_exit_state: MISSING,
        task_start: MISSING,
        task_min_flt: MISSING,
        task_maj_flt: MISSING,
        task_runtime: MISSING,
        task_thread_node: MISSING,
        signal_threads: MISSING,
        signal_thread_head: MISSING,
        signal_min_flt: MISSING,
        signal_maj_flt: MISSING,
        signal_runtime: MISSING,
        signal_sequence: MISSING,
        mm_total_vm: MISSING,
        mm_rss_stat: MISSING,
        percpu_counter_count: MISSING,
        percpu_counter_size: MISSING,
        css_set_memory: MISSING,
        css_set_unified: MISSING,
        memcg_usage: MISSING,
        memcg_failures: MISSING,
        memcg_events: MISSING,
        memcg_event_max: MISSING,
        memcg_event_oom_kill: MISSING,
        memcg_memory: MISSING,
        memcg_swap: MISSING,
        counter_usage: MISSING,
        counter_max: MISSING,
        counter_high: MISSING,
        counter_parent: MISSING,
    };
}
