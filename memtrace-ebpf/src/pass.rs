//! A pass over the table of processes, which user space makes once a tick: what /proc/PID/stat,
//! /proc/PID/cgroup and the usage of its memory cgroup say of each, by one iterator instead of
//! system calls for each VM. Optional: who is left out here is read from the files.
//!
//! Nothing fires it but a reading of the iterator (`bpf_map_elem` over `TGIDS`).

use core::mem::{size_of, transmute};

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::bpf_seq_write;
use memtrace_ebpf::{KFUNC_PLACEHOLDER, MISSING, ProcessRow, UNTOLD};

use crate::kernel::layout;

/// Most threads of a process that are added up; one with more is left out.
const MOST_THREADS: u32 = 512;

/// Most ancestors whose limits are looked at; with more, files say them.
const MOST_LEVELS: u32 = 16;

// include/linux/sched.h, the same from 6.2 to 7.3.
const PF_EXITING: u32 = 0x4;
/// Stopped, traced, dead or parked: `__TASK_STOPPED` to `TASK_PARKED`, and `TASK_FROZEN`.
const NOT_AT_WORK: u32 = 0x0000_807c;

/// Counters of `mm_struct.rss_stat` that are resident pages: files, anonymous and shared memory
/// (include/linux/mm_types_task.h). The other one is swap.
const RESIDENT: [u32; 3] = [0, 1, 3];

/// `struct bpf_iter__bpf_map_elem`, ABI of the kernel.
#[repr(C)]
pub struct MapElement {
    meta: *const IteratorMeta,
    map: u64,
    key: *const u32,
    value: *const u32,
}

/// `struct bpf_iter_meta`, as far as it is used.
#[repr(C)]
struct IteratorMeta {
    sequence_file: *mut aya_ebpf::bindings::seq_file,
}

/// Writes a row for the process of one entry, if all that is in it could be read at once.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_map_elem")]
pub extern "C" fn process_row(element: *const MapElement) -> i32 {
    // SAFETY: the kernel's context, which the verifier knows.
    let (meta, key) = unsafe { ((*element).meta, (*element).key) };
    if key.is_null() {
        return 0;
    }
    // SAFETY: a key of the map, checked; the kernel's own meta data.
    let (tgid, file) = unsafe { (*key, (*meta).sequence_file) };
    // SAFETY: `bpf_task_from_pid(s32) -> struct task_struct *`, once user space has put the
    // function's id in place of the number.
    let find: extern "C" fn(u32) -> u64 = unsafe { transmute(KFUNC_PLACEHOLDER as usize) };
    let task = find(tgid);
    if task == 0 {
        return 0;
    }
    let row = row_of(task, tgid);
    // SAFETY: `bpf_task_release(struct task_struct *)`, likewise.
    let release: extern "C" fn(u64) = unsafe { transmute(KFUNC_PLACEHOLDER as usize + 1) };
    release(task);
    if let Some(row) = row {
        // SAFETY: a value on the stack without padding. Where it does not fit any more, the
        // kernel has the entry shown again in the next read(2).
        unsafe { bpf_seq_write(file, (&raw const row).cast(), size_of::<ProcessRow>() as u32) };
    }
    0
}

/// Like [`crate::kernel::read`], but a failure is no loss: the files are read then.
#[inline(always)]
fn peek<T: Copy>(base: u64, offset: u32) -> Option<T> {
    let address = base.wrapping_add(u64::from(offset)) as *const T;
    // SAFETY: bpf_probe_read_kernel checks the address itself and fails cleanly.
    unsafe { bpf_probe_read_kernel(address) }.ok()
}

/// `None`: it is ending, stopped or not the process that has this id, or a thread ended meanwhile.
#[inline(always)]
fn row_of(task: u64, tgid: u32) -> Option<ProcessRow> {
    let stopped =
        peek::<u32>(task, layout!(task_state))? | peek::<u32>(task, layout!(task_exit_state))?;
    if peek::<u32>(task, layout!(task_tgid))? != tgid
        || peek::<u32>(task, layout!(task_flags))? & PF_EXITING != 0
        || stopped & NOT_AT_WORK != 0
    {
        return None;
    }
    let mut row = ProcessRow {
        tgid,
        start_ns: peek(task, layout!(task_start))?,
        comm: peek(task, layout!(task_comm))?,
        ..ProcessRow::default()
    };
    add_threads(task, &mut row)?;
    add_memory(task, &mut row)?;
    add_cgroups(task, &mut row)?;
    Some(row)
}

/// Faults and CPU time of all threads, as `do_task_stat` (fs/proc/array.c) adds them up.
#[inline(always)]
fn add_threads(task: u64, row: &mut ProcessRow) -> Option<()> {
    let signal = peek::<u64>(task, layout!(task_signal))?;
    let sequence = peek::<u32>(signal, layout!(signal_sequence))?;
    // A thread that ends adds its counts to the process' and leaves the list within one write.
    if sequence & 1 != 0 {
        return None;
    }
    row.threads = peek(signal, layout!(signal_threads))?;
    row.minor_faults = peek(signal, layout!(signal_min_flt))?;
    row.major_faults = peek(signal, layout!(signal_maj_flt))?;
    row.cpu_ns = peek(signal, layout!(signal_runtime))?;
    let head = signal.wrapping_add(u64::from(layout!(signal_thread_head)));
    // `list_head.next`.
    let mut node = peek::<u64>(head, 0)?;
    for _ in 0..MOST_THREADS {
        if node == head {
            return (peek::<u32>(signal, layout!(signal_sequence))? == sequence).then_some(());
        }
        let thread = node.wrapping_sub(u64::from(layout!(task_thread_node)));
        let more = |count: u64, offset| Some(count.wrapping_add(peek::<u64>(thread, offset)?));
        row.minor_faults = more(row.minor_faults, layout!(task_min_flt))?;
        row.major_faults = more(row.major_faults, layout!(task_maj_flt))?;
        row.cpu_ns = more(row.cpu_ns, layout!(task_runtime))?;
        node = peek(node, 0)?;
    }
    None
}

#[inline(always)]
fn add_memory(task: u64, row: &mut ProcessRow) -> Option<()> {
    let mm = peek::<u64>(task, layout!(task_mm)).filter(|mm| *mm != 0)?;
    row.size_pages = peek(mm, layout!(mm_total_vm))?;
    for counter in RESIDENT {
        let offset = layout!(mm_rss_stat)
            .wrapping_add(counter.wrapping_mul(layout!(percpu_counter_size)))
            .wrapping_add(layout!(percpu_counter_count));
        let pages = peek::<i64>(mm, offset)?;
        // percpu_counter_read_positive().
        row.resident_pages =
            row.resident_pages.wrapping_add(if pages > 0 { pages as u64 } else { 0 });
    }
    Some(())
}

#[inline(always)]
fn add_cgroups(task: u64, row: &mut ProcessRow) -> Option<()> {
    let set = peek::<u64>(task, layout!(task_cgroups))?;
    let memcg = peek::<u64>(set, layout!(css_set_memory))?;
    row.memory_cgroup = id_of(peek(memcg, layout!(memcg_cgroup))?)?;
    row.unified_cgroup = id_of(peek(set, layout!(css_set_unified))?)?;
    row.usage_pages = peek(memcg, layout!(memcg_usage))?;
    row.failures = counter(memcg, layout!(memcg_failures), 0);
    row.max_events = counter(memcg, layout!(memcg_events), layout!(memcg_event_max));
    row.oom_kills = counter(memcg, layout!(memcg_events), layout!(memcg_event_oom_kill));
    add_limits(memcg, row);
    Some(())
}

/// Limits, of the cgroup and its ancestors, and its swap.
#[inline(always)]
fn add_limits(memcg: u64, row: &mut ProcessRow) {
    let memory = address_of(memcg, layout!(memcg_memory));
    row.limit_pages = tightest(memory, layout!(counter_max));
    row.high_pages = tightest(memory, layout!(counter_high));
    let swap = address_of(memcg, layout!(memcg_swap));
    row.swap_limit_pages = tightest(swap, layout!(counter_max));
    row.swap_pages = swap.map_or(UNTOLD, |swap| counter(swap, layout!(counter_usage), 0));
}

#[inline(always)]
fn address_of(base: u64, offset: u32) -> Option<u64> {
    (offset != MISSING).then(|| base.wrapping_add(u64::from(offset)))
}

/// The least of one limit in a `page_counter` and all above it.
#[inline(always)]
fn tightest(first: Option<u64>, limit: u32) -> u64 {
    let parent = layout!(counter_parent);
    let (Some(mut counter), false) = (first, limit == MISSING || parent == MISSING) else {
        return UNTOLD;
    };
    let mut least = UNTOLD;
    for _ in 0..MOST_LEVELS {
        let (Some(here), Some(above)) = (peek::<u64>(counter, limit), peek(counter, parent)) else {
            return UNTOLD;
        };
        least = if here < least { here } else { least };
        if above == 0 {
            return least;
        }
        counter = above;
    }
    UNTOLD
}

/// One of an array of 64 bits; what can't be read is left to its file.
#[inline(always)]
fn counter(base: u64, array: u32, place: u32) -> u64 {
    if array == MISSING || place == MISSING {
        return UNTOLD;
    }
    peek(base, array.wrapping_add(place.wrapping_mul(8))).unwrap_or(UNTOLD)
}

#[inline(always)]
fn id_of(cgroup: u64) -> Option<u64> {
    peek(peek::<u64>(cgroup, layout!(cgroup_kn))?, layout!(kernfs_node_id))
}
