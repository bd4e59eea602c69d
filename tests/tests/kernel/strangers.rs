//! Reclaim of a VM's memory by a process that is neither the VM nor a kernel worker
//! (memory.reclaim). The pages count as taken, but the order is no pressure of the VM.

use anyhow::{Result, ensure};
use memtrace_ebpf::{EVENT_MEMCG_RECLAIM, NOTE_ANNOUNCED, STALL_MEMCG_RECLAIM, VmCounters};
use memtrace_host::probe::{Belongings, KernelSide, Leftover, Probe};

use crate::Test;
use crate::support::{Confined, counters, events, open, start, thread_id};

pub const TESTS: &[(&str, Test)] =
    &[("an_order_to_reclaim_a_vms_cgroup_is_not_the_vms_reclaim", announced)];
pub const POOL_TESTS: &[(&str, Test)] =
    &[("who_reclaims_a_vms_cgroup_by_its_files_is_not_the_vm", ordered)];

/// Neither reclaims nor pages of the VM, and no event.
fn is_not_charged(kernel: &mut Probe, pid: u32, before: &VmCounters) -> Result<()> {
    let after = counters(kernel, pid)?;
    let of = |counters: &VmCounters| (counters.memcg_reclaims, counters.reclaimed_pages);
    ensure!(of(&after) == of(before), "{:?} after {:?}", of(&after), of(before));
    let told = events(kernel, EVENT_MEMCG_RECLAIM);
    ensure!(told.is_empty(), "told as pressure: {told:?}");
    Ok(())
}

/// As on a kernel that tells at a function's begin whose cgroup it is.
fn announced() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let vm = start(dir.path())?;
    kernel.track(vm.pid(), &Belongings::default())?;
    kernel.events();
    let before = counters(&mut kernel, vm.pid())?;
    kernel.leave_wait(Leftover {
        thread: thread_id(),
        kind: STALL_MEMCG_RECLAIM,
        of: vm.pid(),
        note: NOTE_ANNOUNCED,
        age_ns: 0,
    })?;
    kernel.test_run("memcg_reclaim_begin", &[])?;
    kernel.test_run("memcg_reclaim_end", &[5])?;
    is_not_charged(&mut kernel, vm.pid(), &before)
}

fn ordered() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut vm = Confined::tracked(&mut kernel, dir.path(), "squeezed")?;
    let pid = vm.standin.pid();
    vm.standin.touch(64)?;
    kernel.events();
    let before = counters(&mut kernel, pid)?;
    vm.cgroup.squeeze()?;
    let taken = counters(&mut kernel, pid)?.swap_out_pages - before.swap_out_pages;
    ensure!(taken > 1000, "only {taken} pages were taken");
    is_not_charged(&mut kernel, pid, &before)
}
