//! "Whose is this?" The only place that decides it: task to slot, mm to slot, cgroup to
//! slot, and the flow table that joins causer and victim.
//!
//! A slot is taken by user space for VMs that it finds, and here for a process that
//! execs as a VMM or takes a KVM fault before user space has seen it.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use memtrace_ebpf::{Event, FIRST_VM_SLOT, FlowKey, InodeKey, SLOT_KSWAPD, SLOT_OTHER, SlotOwner};

use crate::kernel::{current_flags, current_task, layout, read, read_pointer};
use crate::maps::{ADDRESS_SPACES, CGROUPS, EVENTS, FLOWS, FREE_SLOTS, SHARED_MEMORIES, SLOTS};
use crate::processes::{enter, refuse, slot_of_process};
use crate::rows::{add, add_shared, counters, host};

// include/linux/sched.h, the same from 5.10 to 7.3.
/// Set in every reclaim entry, kswapd included.
pub const PF_MEMALLOC: u32 = 0x0000_0800;
const PF_KSWAPD: u32 = 0x0002_0000;
const PF_KTHREAD: u32 = 0x0020_0000;

#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: no arguments, always succeeds.
    unsafe { bpf_ktime_get_ns() }
}

/// (process id, thread id) of `current`, as user space names them.
#[inline(always)]
pub fn current_ids() -> (u32, u32) {
    let ids = bpf_get_current_pid_tgid();
    ((ids >> 32) as u32, ids as u32)
}

/// The slot of an address space, whoever runs. By its owner; when it has none any more
/// (the VM exits), by what was remembered of it.
#[inline(always)]
pub fn slot_of_mm(mm: u64) -> Option<u32> {
    let Some(owner) = read_pointer(mm, layout!(mm_owner)) else {
        // SAFETY: the value is copied at once; values of this map are only ever replaced whole.
        return unsafe { ADDRESS_SPACES.get(mm) }.copied();
    };
    let slot = slot_of_process(read(owner, layout!(task_tgid))?)?;
    remember_mm(slot, mm);
    Some(slot)
}

/// The slot of a memory cgroup, if it holds one VM and nothing else.
#[inline(always)]
pub fn slot_of_memcg(memcg: u64) -> Option<u32> {
    let cgroup = read_pointer(memcg, layout!(memcg_cgroup))?;
    let node = read_pointer(cgroup, layout!(cgroup_kn))?;
    let id = read::<u64>(node, layout!(kernfs_node_id))?;
    // SAFETY: as in `slot_of_mm`.
    unsafe { CGROUPS.get(id) }.copied()
}

/// The slot of the VM whose shared memory this inode is.
#[inline(always)]
pub fn slot_of_inode(inode: u64) -> Option<u32> {
    let ino = read::<u64>(inode, layout!(inode_ino))?;
    let dev = read::<u32>(read_pointer(inode, layout!(inode_sb))?, layout!(sb_dev))?;
    // SAFETY: as in `slot_of_process`.
    unsafe { SHARED_MEMORIES.get(InodeKey { ino, dev, reserved: 0 }) }.copied()
}

/// The slot of the VM that `current` works for, if any: its own threads, and kernel
/// threads in its address space (vhost before 6.4).
#[inline(always)]
pub fn current_vm() -> Option<u32> {
    let (tgid, _) = current_ids();
    if let Some(slot) = slot_of_process(tgid) {
        return Some(slot);
    }
    if !is_kernel_thread() {
        return None;
    }
    slot_of_mm(read_pointer(current_task(), layout!(task_mm))?)
}

/// Whether `current` is the kernel's own thread. What one does for a VM's cgroup or address
/// space is the VM's; what a process does to them is not.
#[inline(always)]
pub fn is_kernel_thread() -> bool {
    current_flags() & PF_KTHREAD != 0
}

/// Who acts right now: a VM, kswapd or somebody else.
#[inline(always)]
pub fn current_party() -> u32 {
    let (tgid, _) = current_ids();
    if let Some(slot) = slot_of_process(tgid) {
        return slot;
    }
    let flags = current_flags();
    if flags & PF_KSWAPD != 0 {
        return SLOT_KSWAPD;
    }
    if flags & PF_KTHREAD == 0 {
        return SLOT_OTHER;
    }
    let Some(mm) = read_pointer(current_task(), layout!(task_mm)) else {
        return SLOT_OTHER;
    };
    slot_of_mm(mm).unwrap_or(SLOT_OTHER)
}

/// Charges `pages` of `victim` to `causer`. What it caused in all is beside the table, which
/// may be full of other pairs.
#[inline(always)]
pub fn charge_flow(causer: u32, victim: u32, pages: u64) {
    if let Some(row) = counters(causer) {
        add!(row, caused_pages, pages);
    }
    let key = FlowKey { causer, victim };
    if add_to_flow(&key, pages) || FLOWS.insert(key, pages, u64::from(BPF_NOEXIST)).is_ok() {
        return;
    }
    // Another CPU was faster with the key, or the table is full.
    if !add_to_flow(&key, pages)
        && let Some(host) = host()
    {
        add!(host, lost_flow_pages, pages);
    }
}

#[inline(always)]
fn add_to_flow(key: &FlowKey, pages: u64) -> bool {
    let Some(total) = FLOWS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: this CPU's own value, alive while the program runs (RCU); one program at a
    // time writes it.
    unsafe { *total += pages };
    true
}

/// Gives `current` a slot and tells user space. The slot that it has where somebody else was
/// faster, and `None` when there is no room for it.
#[inline(always)]
pub fn take_slot(event: u32) -> Option<u32> {
    let (tgid, _) = current_ids();
    let Ok(Some(slot)) = FREE_SLOTS.pop() else {
        return no_room(tgid);
    };
    if slot < FIRST_VM_SLOT {
        return None;
    }
    if !enter(tgid, slot) {
        let _ = FREE_SLOTS.push(slot, 0);
        // Two vCPUs faulted at once, and the other one was faster; or the table is full.
        return slot_of_process(tgid).or_else(|| no_room(tgid));
    }
    let generation = SLOTS.get(slot).map_or(0, |owner| owner.generation).wrapping_add(1);
    let _ = SLOTS.set(slot, SlotOwner { mm: 0, tgid, generation }, 0);
    if let Some(mm) = read_pointer(current_task(), layout!(task_mm)) {
        remember_mm(slot, mm);
    }
    emit(event, tgid, slot, 0, 0);
    Some(slot)
}

/// Refuses a process a slot and counts it as lost; the slot of one that got it meanwhile.
#[inline(always)]
fn no_room(tgid: u32) -> Option<u32> {
    if !refuse(tgid) {
        return slot_of_process(tgid);
    }
    if let Some(host) = host() {
        add_shared!(host, lost_slots, 1);
    }
    None
}

/// Remembers which address space a slot has, once.
#[inline(always)]
pub fn remember_mm(slot: u32, mm: u64) {
    let Some(owner) = SLOTS.get_ptr_mut(slot) else {
        return;
    };
    // SAFETY: an array's values live for ever; racing writers write the same value.
    let known = unsafe { (*owner).mm };
    if known == mm {
        return;
    }
    if known != 0 {
        let _ = ADDRESS_SPACES.remove(known);
    }
    // SAFETY: as above.
    unsafe { (*owner).mm = mm };
    if ADDRESS_SPACES.insert(mm, slot, 0).is_err()
        && let Some(host) = host()
    {
        add_shared!(host, lost_address_spaces, 1);
    }
}

/// Sends a rare event to user space, with `current`'s name.
#[inline(always)]
pub fn emit(kind: u32, tgid: u32, slot: u32, causer_tgid: u32, duration_ns: u64) {
    let comm = bpf_get_current_comm().unwrap_or([0; 16]);
    let event = Event { at_ns: now_ns(), kind, tgid, slot, causer_tgid, duration_ns, comm };
    if EVENTS.output::<Event>(event, 0).is_err()
        && let Some(host) = host()
    {
        add_shared!(host, lost_events, 1);
    }
}
