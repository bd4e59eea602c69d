//! The OOM killer: its victim, and who was allocating.
//!
//! Hook: `oom:mark_victim`, whose argument is a pid up to 5.10 and a task later on.
//! Fields: `oom_kills`, `oom_caused`.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_ebpf::{EVENT_OOM_KILL, SLOT_OTHER};

use crate::attribution::{current_ids, current_vm, emit, now_ns};
use crate::kernel::{layout, read};
use crate::maps::OOM_VICTIMS;
use crate::processes::slot_of_process;
use crate::rows::{add, counters};

/// A victim is forgotten when it ends. A mark that comes after its end must not keep another
/// process of the same id from being one.
const REMEMBERED_NS: u64 = 60_000_000_000;

/// `(struct task_struct *, uid_t)`. The task may be any thread of the victim.
#[raw_tracepoint]
pub fn oom_victim_task(ctx: RawTracePointContext) -> i32 {
    if let Some(tgid) = read::<u32>(ctx.arg(0), layout!(task_tgid)) {
        oom_victim(tgid);
    }
    0
}

/// `(int pid)`: a thread id; a VM's main thread has the VM's own.
#[raw_tracepoint]
pub fn oom_victim_pid(ctx: RawTracePointContext) -> i32 {
    oom_victim(ctx.arg(0));
    0
}

/// Whether this process was no victim until now. Each of its threads that runs out of memory
/// as it exits is marked again (`mark_oom_victim` in mm/oom_kill.c).
#[inline(always)]
fn is_new(tgid: u32) -> bool {
    let now = now_ns();
    if OOM_VICTIMS.insert(tgid, now, u64::from(BPF_NOEXIST)).is_ok() {
        return true;
    }
    let Some(known) = OOM_VICTIMS.get_ptr_mut(tgid) else {
        return true;
    };
    // SAFETY: the map's memory lives as long as the program, and a word is read and written
    // whole. An LRU map may give the entry to another process meanwhile: then that one's time
    // is read or written, and one of the two may be counted once more or not at all.
    let since = unsafe { known.read_volatile() };
    let new = now.saturating_sub(since) > REMEMBERED_NS;
    if new {
        // SAFETY: as above.
        unsafe { known.write_volatile(now) };
    }
    new
}

/// Forgets a process that ends. Nearly none is a victim, and a look takes no lock of the table,
/// as removing does.
#[inline(always)]
pub fn forget_victim(tgid: u32) {
    // SAFETY: the value is not read.
    if unsafe { OOM_VICTIMS.get(tgid) }.is_some() {
        let _ = OOM_VICTIMS.remove(tgid);
    }
}

#[inline(always)]
fn oom_victim(tgid: u32) {
    if !is_new(tgid) {
        return;
    }
    let slot = slot_of_process(tgid);
    let causer = current_vm();
    if let Some(row) = slot.and_then(counters) {
        add!(row, oom_kills, 1);
    }
    if let Some(row) = causer.and_then(counters) {
        add!(row, oom_caused, 1);
    }
    // Told of everybody, as they are rare: SIGKILL comes first (`__oom_kill_process` in
    // mm/oom_kill.c), and a VM that is quick to die is in no table any more when the kernel
    // gets here.
    let (causer_tgid, _) = current_ids();
    emit(EVENT_OOM_KILL, tgid, slot.unwrap_or(SLOT_OTHER), causer_tgid, 0);
}
