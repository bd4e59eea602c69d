//! VMs that come and go: slots are given out, taken back, and never mixed up.

use anyhow::{Context, Result, ensure};
use memtrace_ebpf::{EVENT_APPEARED, EVENT_EXITED, Event, FIRST_VM_SLOT, MARKS, mark_index};
use memtrace_host::probe::{Belongings, KernelSide, LEAST_SLOTS, Limits};
use memtrace_tests::standin::StandIn;
use memtrace_tests::wait;

use crate::Test;
use crate::support::{NO_PROCESS, counters, open, open_with, start};

pub const TESTS: &[(&str, Test)] = &[
    ("other_programs_get_no_slot", others_get_none),
    ("slots_survive_churn", churn),
    ("too_many_vms_are_refused_and_counted", too_many),
    ("a_vm_whose_mark_was_taken_is_found_by_its_next_fault", mark_taken_of_guest),
];
/// By a fault of a process that has no KVM VM, which not every processor has a tracepoint for.
pub const FAULT_TESTS: &[(&str, Test)] = &[
    ("a_start_is_seen_with_its_first_faults", start_is_seen),
    ("an_end_is_seen_and_its_row_comes_back_zeroed", end_is_seen),
    ("vms_that_share_a_mark_are_told_apart", shared_mark),
    ("an_unclaimed_slot_is_found_without_its_event", unclaimed),
    ("a_vm_whose_mark_was_taken_is_counted_once_it_is_tracked", mark_taken),
];

/// VMs that can be tracked at a time.
const CAPACITY: u32 = LEAST_SLOTS - FIRST_VM_SLOT;

fn event(kernel: &mut dyn KernelSide, kind: u32, pid: u32) -> Result<Event> {
    wait::until(&format!("event {kind} of process {pid}"), || {
        let mut events = kernel.events().into_iter().map(|arrived| arrived.event);
        events.find(|event| event.kind == kind && event.tgid == pid)
    })
}

fn start_is_seen() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    // It faults before user space has looked at the event at all.
    standin.touch(32)?;
    let (minor, major) = standin.faults()?;
    let seen = event(&mut kernel, EVENT_APPEARED, standin.pid())?;
    ensure!(seen.comm.starts_with(b"qemu-system-sta"), "{:?}", seen.comm);
    kernel.track(standin.pid(), &Belongings::default())?;
    let reading = kernel.read();
    let vm = reading.vms.get(&standin.pid()).context("no slot")?;
    ensure!(vm.from_start, "it counts as found late");
    let ours = vm.counters.user_faults + vm.counters.kernel_faults;
    // exec itself faults a little before its tracepoint fires.
    ensure!(ours + 200 >= minor + major, "{ours} of {} faults since the start", minor + major);
    Ok(())
}

fn end_is_seen() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    let pid = standin.pid();
    let slot = event(&mut kernel, EVENT_APPEARED, pid)?.slot;
    kernel.track(pid, &Belongings::default())?;
    standin.touch(32)?;
    standin.end()?;
    ensure!(event(&mut kernel, EVENT_EXITED, pid)?.slot == slot);
    // Its counters can still be read until it is forgotten.
    let faults = kernel.read().vms.get(&pid).context("gone too early")?.counters.user_faults;
    ensure!(faults > 0);
    kernel.forget(pid);
    for reading in 0..3 {
        ensure!(kernel.read().vms.is_empty(), "reading {reading}");
    }
    // All other slots are taken first, so that this one must come again.
    for number in 0..CAPACITY {
        kernel.track(NO_PROCESS + number, &Belongings::default())?;
    }
    let reading = kernel.read();
    ensure!(reading.vms.len() == CAPACITY as usize);
    let stale = reading.vms.values().filter(|vm| vm.counters != Default::default()).count();
    ensure!(stale == 0, "{stale} rows were not zeroed");
    Ok(())
}

fn others_get_none() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut others = Vec::new();
    for name in ["qemu-img", "qemu-nbd", "kvmtool-like", "crosvm-helper"] {
        let standin = StandIn::start(dir.path(), name)?;
        others.push(standin.pid());
        standin.end()?;
    }
    let real = StandIn::start(dir.path(), "qemu-kvm")?;
    let mut seen = Vec::new();
    wait::until("the event of the real one", || {
        seen.extend(kernel.events().into_iter().map(|arrived| arrived.event));
        seen.iter().find(|event| event.tgid == real.pid()).map(drop)
    })?;
    ensure!(!seen.iter().any(|event| others.contains(&event.tgid)), "{seen:?}");
    Ok(())
}

fn churn() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let rounds = CAPACITY + 90;
    for round in 0..rounds {
        let standin = start(dir.path())?;
        let pid = standin.pid();
        event(&mut kernel, EVENT_APPEARED, pid)?;
        kernel.track(pid, &Belongings::default())?;
        standin.end()?;
        event(&mut kernel, EVENT_EXITED, pid)?;
        kernel.forget(pid);
        let reading = kernel.read();
        ensure!(reading.vms.is_empty(), "round {round}: {:?}", reading.vms.keys());
        ensure!(reading.host.lost_slots == 0, "round {round}: a slot leaked");
    }
    Ok(())
}

fn too_many() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    for number in 0..CAPACITY {
        kernel.track(NO_PROCESS + number, &Belongings::default())?;
    }
    let refused = kernel.track(NO_PROCESS + CAPACITY, &Belongings::default());
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("no slot is free")));
    // The programs, too, count a loss instead of charging another VM.
    let before = kernel.read();
    let mut standin = start(dir.path())?;
    standin.touch(16)?;
    let after = kernel.read();
    ensure!(after.host.lost_slots > before.host.lost_slots, "nothing was counted as lost");
    ensure!(after.vms.values().all(|vm| vm.counters.user_faults == 0), "a VM was charged");
    Ok(())
}

fn shared_mark() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    let (pid, other) = (standin.pid(), standin.pid() + 128 * MARKS);
    ensure!(other >= NO_PROCESS && mark_index(pid) == mark_index(other));
    let faults = |kernel: &mut dyn KernelSide, pid| -> Result<u64> {
        Ok(counters(kernel, pid)?.user_faults)
    };
    kernel.track(pid, &Belongings::default())?;
    kernel.track(other, &Belongings::default())?;
    let mut before = faults(&mut kernel, pid)?;
    // Beside the other one, after it has gone, and after its mark was looked through.
    for (round, size) in [16, 32, 48, 64].into_iter().enumerate() {
        standin.touch(size)?;
        let after = faults(&mut kernel, pid)?;
        ensure!(after >= before + 4096, "round {round}: {} faults counted", after - before);
        before = after;
        if round == 0 {
            ensure!(faults(&mut kernel, other)? == 0, "the wrong one was charged");
            kernel.forget(other);
        }
    }
    Ok(())
}

/// The programs entered it a moment after its mark was taken away.
fn mark_taken() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    kernel.take_mark(standin.pid())?;
    kernel.track(standin.pid(), &Belongings::default())?;
    standin.touch(16)?;
    let reading = kernel.read();
    let vm = reading.vms.get(&standin.pid()).context("no slot")?;
    ensure!(vm.counters.user_faults >= 4096, "{} faults counted", vm.counters.user_faults);
    Ok(())
}

/// The VM keeps its slot, whether there is room for another one or not.
fn mark_taken_of_guest() -> Result<()> {
    for slots in [FIRST_VM_SLOT + 1, LEAST_SLOTS] {
        let mut kernel = open_with(Limits { slots, ..Limits::default() })?;
        let pid = std::process::id();
        kernel.track(pid, &Belongings::default())?;
        kernel.take_mark(pid)?;
        for _ in 0..3 {
            kernel.test_run("guest_fault", &[])?;
        }
        let reading = kernel.read();
        let faults = reading.vms.get(&pid).context("no slot")?.counters.guest_faults;
        let lost = reading.host.lost_slots;
        ensure!((faults, lost) == (3, 0), "{slots} slots: {faults} faults, {lost} lost slots");
    }
    Ok(())
}

/// The event of a start may be lost; the slot is then still found.
fn unclaimed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    standin.touch(16)?;
    ensure!(kernel.read().vms.is_empty(), "it is not tracked yet");
    kernel.track(standin.pid(), &Belongings::default())?;
    let reading = kernel.read();
    let vm = reading.vms.get(&standin.pid()).context("no slot")?;
    ensure!(vm.counters.user_faults > 0, "its first faults are lost");
    Ok(())
}
