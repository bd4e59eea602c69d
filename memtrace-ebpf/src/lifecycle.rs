//! VMs that start and end.
//!
//! Hooks: `sched:sched_process_exec`, `sched:sched_process_exit`.
//! Fields: none; slots, and the events that tell user space of them.

use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::debug;
use memtrace_ebpf::{EVENT_APPEARED, EVENT_EXITED, STALL_COMPACTION, StallKey};

use crate::attribution::{current_ids, emit, take_slot};
use crate::maps::{ADDRESS_SPACES, SLOTS, STALLS};
use crate::processes::{leave, slot_of_process};

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

#[raw_tracepoint]
pub fn process_exit(ctx: RawTracePointContext) -> i32 {
    let (tgid, pid) = current_ids();
    // Compaction has no last event, so its entry is still there.
    let _ = STALLS.remove(StallKey { pid, kind: STALL_COMPACTION });
    if pid != tgid {
        return 0;
    }
    let Some(slot) = slot_of_process(tgid) else {
        return 0;
    };
    leave(tgid);
    if let Some(mm) = SLOTS.get(slot).map(|owner| owner.mm)
        && mm != 0
    {
        let _ = ADDRESS_SPACES.remove(mm);
    }
    debug!(&ctx, "process {} of slot {} exits", tgid, slot);
    emit(EVENT_EXITED, tgid, slot, 0, 0);
    0
}
