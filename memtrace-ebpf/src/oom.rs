//! The OOM killer: its victim, and who was allocating.
//!
//! Hook: `oom:mark_victim`, whose argument is a pid up to 5.10 and a task later on.
//! Fields: `oom_kills`, `oom_caused`.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_ebpf::{EVENT_OOM_KILL, SLOT_OTHER};

use crate::attribution::{current_ids, current_vm, emit};
use crate::kernel::{layout, read};
use crate::processes::slot_of_process;
use crate::rows::counters;

/// `(struct task_struct *, uid_t)`. The task may be any thread of the victim.
#[raw_tracepoint]
pub fn oom_victim_task(ctx: RawTracePointContext) -> i32 {
    if let Some(tgid) = read::<u32>(ctx.arg(0), layout!(task_tgid)) {
        victim(tgid);
    }
    0
}

/// `(int pid)`: a thread id; a VM's main thread has the VM's own.
#[raw_tracepoint]
pub fn oom_victim_pid(ctx: RawTracePointContext) -> i32 {
    victim(ctx.arg(0));
    0
}

#[inline(always)]
fn victim(tgid: u32) {
    let slot = slot_of_process(tgid);
    let causer = current_vm();
    if let Some(row) = slot.and_then(counters) {
        row.oom_kills += 1;
    }
    if let Some(row) = causer.and_then(counters) {
        row.oom_caused += 1;
    }
    // Told of everybody, as they are rare: SIGKILL comes first (`__oom_kill_process` in
    // mm/oom_kill.c), and a VM that is quick to die is in no table any more when the kernel
    // gets here.
    let (causer_tgid, _) = current_ids();
    emit(EVENT_OOM_KILL, tgid, slot.unwrap_or(SLOT_OTHER), causer_tgid, 0);
}
