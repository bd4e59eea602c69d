//! Page faults.
//!
//! Hooks: `kvm:kvm_page_fault`, `kvm:kvm_guest_fault` (arm64), `exceptions:page_fault_user`,
//! `exceptions:page_fault_kernel`, `memcg:count_memcg_events`, `kvm:kvm_async_pf_not_present`,
//! `kvm:kvm_async_pf_ready`.
//! Fields: `guest_faults`, `user_faults`, `kernel_faults`, `major_faults`, `swap_read_pages`,
//! `swap_write_pages`, `async_faults`, `async_faults_done`, `async_fault_ns`.
//!
//! `kvm_page_fault` lost and gained arguments over the versions; none of them is needed
//! here, so one program serves all forms.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_ebpf::{AsyncFaultKey, EVENT_FOUND};

use crate::attribution::{current_ids, current_vm, now_ns, slot_of_memcg, take_slot};
use crate::kernel::layout;
use crate::maps::{ASYNC_FAULTS, OWN_CGROUPS};
use crate::processes::{is_refused, slot_of_process};
use crate::rows::{ASYNC_FAULT, add, counters, host, record};

/// A guest's fault reached the host. Whoever runs here runs a VM, so a process that
/// isn't known yet gets its slot at once.
#[raw_tracepoint]
pub fn guest_fault(_: RawTracePointContext) -> i32 {
    let (tgid, _) = current_ids();
    let slot = slot_of_process(tgid).or_else(|| found(tgid));
    if let Some(row) = slot.and_then(counters) {
        add!(row, guest_faults, 1);
    }
    0
}

/// A slot for a process that has none, unless it was refused one: a VM beyond the last slot
/// faults again and again, and is lost once.
#[inline(always)]
fn found(tgid: u32) -> Option<u32> {
    if is_refused(tgid) { None } else { take_slot(EVENT_FOUND) }
}

#[raw_tracepoint]
pub fn user_fault(_: RawTracePointContext) -> i32 {
    let (tgid, _) = current_ids();
    if let Some(row) = slot_of_process(tgid).and_then(counters) {
        add!(row, user_faults, 1);
    }
    0
}

#[raw_tracepoint]
pub fn kernel_fault(_: RawTracePointContext) -> i32 {
    let (tgid, _) = current_ids();
    if let Some(row) = slot_of_process(tgid).and_then(counters) {
        add!(row, kernel_faults, 1);
    }
    0
}

/// `(struct mem_cgroup *, enum vm_event_item, unsigned long)`. Charged to the cgroup's
/// VM, because a kernel worker may do the fault for it; in a cgroup that VMs share, to
/// the VM that runs. A VM that has cgroups of its own has all of it there: what it reads
/// ahead for others is theirs.
#[raw_tracepoint]
pub fn memcg_event(ctx: RawTracePointContext) -> i32 {
    let item: u32 = ctx.arg(1);
    let major = item == layout!(item_pgmajfault);
    let read = item == layout!(item_pswpin);
    let write = item == layout!(item_pswpout);
    if !(major || read || write) {
        return 0;
    }
    let slot = match slot_of_memcg(ctx.arg(0)) {
        // What is written out belongs to the cgroup alone, never to who writes.
        None if write => None,
        None => current_vm().filter(|slot| !has_own_cgroup(*slot)),
        slot => slot,
    };
    let Some(row) = slot.and_then(counters) else {
        return 0;
    };
    let count: u64 = ctx.arg(2);
    if major {
        add!(row, major_faults, count);
    } else if read {
        add!(row, swap_read_pages, count);
    } else {
        add!(row, swap_write_pages, count);
    }
    0
}

#[inline(always)]
fn has_own_cgroup(slot: u32) -> bool {
    OWN_CGROUPS.get(slot).is_some_and(|cgroups| *cgroups != 0)
}

/// `(u64 token, u64 gva)`, on the vCPU's thread. Here and at the end the clock is read
/// first, so that what the programs take is in neither or in both.
#[raw_tracepoint]
pub fn async_fault_begin(ctx: RawTracePointContext) -> i32 {
    let now = now_ns();
    let (tgid, _) = current_ids();
    let Some(slot) = slot_of_process(tgid) else {
        return 0;
    };
    if let Some(row) = counters(slot) {
        add!(row, async_faults, 1);
    }
    let key = AsyncFaultKey { token: ctx.arg(0), tgid, slot };
    if ASYNC_FAULTS.insert(key, now, 0).is_err()
        && let Some(host) = host()
    {
        add!(host, lost_async_faults, 1);
    }
    0
}

/// `(u64 token, u64 gva)`, on the vCPU's thread.
#[raw_tracepoint]
pub fn async_fault_end(ctx: RawTracePointContext) -> i32 {
    let now = now_ns();
    let (tgid, _) = current_ids();
    let Some(slot) = slot_of_process(tgid) else {
        return 0;
    };
    let key = AsyncFaultKey { token: ctx.arg(0), tgid, slot };
    // SAFETY: copied at once; only this VM's threads touch this key.
    let Some(begun) = unsafe { ASYNC_FAULTS.get(key) }.copied() else {
        return 0;
    };
    let _ = ASYNC_FAULTS.remove(key);
    let duration = now.saturating_sub(begun);
    if let Some(row) = counters(slot) {
        add!(row, async_faults_done, 1);
        add!(row, async_fault_ns, duration);
    }
    record(slot, ASYNC_FAULT, duration);
    0
}
