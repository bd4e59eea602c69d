//! VMs that start and end.
//!
//! Hooks: `sched:sched_process_exec`, `sched:sched_process_exit`.
//! Fields: none; slots, and the events that tell user space of them.

use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::debug;
use memtrace_ebpf::{EVENT_APPEARED, EVENT_EXITED};

use crate::attribution::{current_ids, emit, take_slot};
use crate::oom::forget_victim;
use crate::processes::{accept, leave, slot_of_process};
use crate::stalls::forget_all;

/// A command's name as two words, and which of their bytes count.
struct Pattern {
    value: [u64; 2],
    mask: [u64; 2],
}

impl Pattern {
    const fn new(start: &[u8]) -> Self {
        let (mut value, mut mask) = ([0; 2], [0; 2]);
        let mut at = 0;
        while at < start.len() {
            value[at / 8] |= (start[at] as u64) << (at % 8 * 8);
            mask[at / 8] |= 0xff << (at % 8 * 8);
            at += 1;
        }
        Self { value, mask }
    }

    #[inline(always)]
    fn matches(&self, name: [u64; 2]) -> bool {
        name[0] & self.mask[0] == self.value[0] && name[1] & self.mask[1] == self.value[1]
    }
}

/// Commands that get a slot as they start, so that their first events count. User space
/// looks closer and gives the slot back when it isn't a VM. Others are found by their
/// first KVM fault.
const COMMANDS: [Pattern; 6] = [
    Pattern::new(b"qemu-system"),
    Pattern::new(b"qemu-kvm"),
    Pattern::new(b"kvm\0"),
    Pattern::new(b"cloud-hypervis"),
    Pattern::new(b"firecracker"),
    Pattern::new(b"crosvm\0"),
];

#[raw_tracepoint]
pub fn process_exec(ctx: RawTracePointContext) -> i32 {
    let Ok(comm) = bpf_get_current_comm() else {
        return 0;
    };
    let (low, high) = comm.split_at(8);
    let name = [word(low), word(high)];
    if !COMMANDS.iter().any(|command| command.matches(name)) {
        return 0;
    }
    let (tgid, _) = current_ids();
    if slot_of_process(tgid).is_none()
        && let Some(slot) = take_slot(EVENT_APPEARED)
    {
        debug!(&ctx, "process {} execs as a VMM and gets slot {}", tgid, slot);
    }
    0
}

#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// `(struct task_struct *)`, after the thread has given up its memory. The process ends with
/// its main thread.
#[raw_tracepoint]
pub fn process_exit(ctx: RawTracePointContext) -> i32 {
    let (tgid, pid) = current_ids();
    exits(&ctx, tgid, pid, pid == tgid);
    0
}

/// `(struct task_struct *, bool group_dead)` since 6.16, before the thread gives up its
/// memory; of the last one it is then the whole process' that goes.
#[raw_tracepoint]
pub fn process_exit_last(ctx: RawTracePointContext) -> i32 {
    let (tgid, pid) = current_ids();
    exits(&ctx, tgid, pid, ctx.arg::<u8>(1) != 0);
    0
}

/// Thread `pid` ends; `last`: and its process.
#[inline(always)]
fn exits(ctx: &RawTracePointContext, tgid: u32, pid: u32, last: bool) {
    forget_all(pid);
    if !last {
        return;
    }
    forget_victim(tgid);
    accept(tgid);
    let Some(slot) = slot_of_process(tgid) else {
        return;
    };
    leave(tgid);
    debug!(ctx, "process {} of slot {} exits", tgid, slot);
    emit(EVENT_EXITED, tgid, slot, 0, 0);
}
