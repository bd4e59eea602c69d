//! Maps that are too small: events that don't fit are counted as lost, every view shows that, and
//! what is counted stays right.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use memtrace_core::model::derive;
use memtrace_core::source::Source;
use memtrace_ebpf::VmCounters;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::hostfs::process::maps::Inode;
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{Belongings, KernelSide, Limits, Probe};
use memtrace_tests::standin::StandIn;
use memtrace_view::summary;

use crate::Test;
use crate::support::{Confined, counters, open_with, room, settle, start};

pub const TESTS: &[(&str, Test)] = &[
    ("too_few_slots", slots),
    ("a_vm_without_a_slot_is_lost_once_however_often_it_faults", faults_without_slot),
    ("too_few_processes", processes),
    ("a_vm_beyond_a_full_table_is_lost_once_however_often_it_faults", faults_beyond_table),
    ("too_few_address_spaces", address_spaces),
    ("too_few_cgroups", cgroups),
    ("too_few_shared_memories", shared_memories),
    ("too_few_stalls", stalls),
    ("too_few_asynchronous_faults", async_faults),
    ("too_few_events", events),
];
pub const POOL_TESTS: &[(&str, Test)] = &[("too_few_flows", flows)];

/// Most that a stand-in faults that touches nothing.
const AT_REST: u64 = 2000;

/// The line on lost events at the foot of every view.
fn footer(kernel: Probe) -> Result<String> {
    let options = LiveOptions { libvirt: false, qmp: false };
    let mut source = LiveSource::new(HostRoot::live()?, Ok(Box::new(kernel)), options);
    let snapshot = derive(None, &source.sample(None)?);
    Ok(summary::losses(&snapshot).context("no loss is shown")?.text)
}

fn shows(kernel: Probe, what: &str) -> Result<()> {
    let footer = footer(kernel)?;
    ensure!(footer.contains(what), "{footer}");
    Ok(())
}

/// This process, as if it were a VM.
fn this_process(kernel: &mut Probe) -> Result<VmCounters> {
    let pid = std::process::id();
    kernel.track(pid, &Belongings::default())?;
    counters(kernel, pid)
}

fn slots() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { slots: 4, ..Limits::default() })?;
    let mut standins = (0..4).map(|_| start(dir.path())).collect::<Result<Vec<_>>>()?;
    kernel.events();
    for standin in &standins[..2] {
        kernel.track(standin.pid(), &Belongings::default())?;
    }
    for standin in &mut standins[2..] {
        standin.touch(16)?;
        let refused = kernel.track(standin.pid(), &Belongings::default());
        ensure!(refused.is_err_and(|error| error.to_string().contains("more than 2 VMs")));
    }
    let reading = kernel.read();
    ensure!(reading.host.lost_slots == 2, "{} lost slots", reading.host.lost_slots);
    let charged: u64 = reading.vms.values().map(|vm| vm.counters.user_faults).sum();
    ensure!(reading.vms.len() == 2 && charged < AT_REST, "{charged} faults of the others");
    shows(kernel, "2 VMs without a slot")
}

/// A VM that takes all the room there is, and another whose faults are then counted as lost once.
fn lost_once(dir: &Path, limits: Limits) -> Result<(Probe, StandIn)> {
    let mut kernel = open_with(limits)?;
    let tracked = start(dir)?;
    kernel.track(tracked.pid(), &Belongings::default())?;
    for _ in 0..5 {
        kernel.test_run("guest_fault", &[])?;
    }
    let lost = kernel.read().host.lost_slots;
    ensure!(lost == 1, "{lost} lost slots");
    Ok((kernel, tracked))
}

fn faults_without_slot() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limits = Limits { slots: 3, ..Limits::default() };
    let (mut kernel, standin) = lost_once(dir.path(), limits)?;
    // It gets the next that is free.
    kernel.forget(standin.pid());
    settle(&mut kernel);
    this_process(&mut kernel)?;
    kernel.test_run("guest_fault", &[])?;
    let faults = this_process(&mut kernel)?.guest_faults;
    ensure!(faults == 1, "{faults} faults counted");
    shows(kernel, "1 VM without a slot")
}

fn processes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { processes: 1, ..Limits::default() })?;
    let capacity = Limits::default().slots - memtrace_ebpf::FIRST_VM_SLOT;
    let first = start(dir.path())?;
    let mut second = start(dir.path())?;
    second.touch(16)?;
    kernel.events();
    kernel.track(first.pid(), &Belongings::default())?;
    ensure!(kernel.track(second.pid(), &Belongings::default()).is_err(), "there is no room for it");
    let reading = kernel.read();
    ensure!(reading.host.lost_slots == 1, "{} lost slots", reading.host.lost_slots);
    let charged: u64 = reading.vms.values().map(|vm| vm.counters.user_faults).sum();
    ensure!(reading.vms.len() == 1 && charged < AT_REST, "{charged} faults of the other");
    kernel.forget(first.pid());
    settle(&mut kernel);
    let census = kernel.census();
    ensure!(census.quarantined + census.tracked == 0, "{census:?} of {capacity}");
    shows(kernel, "1 VM without a slot")
}

fn faults_beyond_table() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limits = Limits { processes: 1, ..Limits::default() };
    let (kernel, _first) = lost_once(dir.path(), limits)?;
    shows(kernel, "1 VM without a slot")
}

fn address_spaces() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { address_spaces: 1, ..Limits::default() })?;
    let [_first, _second] = [start(dir.path())?, start(dir.path())?];
    let lost = kernel.read().host.lost_address_spaces;
    ensure!(lost == 1, "{lost} lost address spaces");
    shows(kernel, "1 address space")
}

fn cgroups() -> Result<()> {
    let limits = Limits { cgroups: 1, ..Limits::default() };
    no_room_for_belongings(limits, "cgroup", |id| Belongings::of_cgroups([id]))
}

fn shared_memories() -> Result<()> {
    let limits = Limits { shared_memories: 1, ..Limits::default() };
    no_room_for_belongings(limits, "file", |number| {
        let shared_memory = [Inode { device: 7, number }].into();
        Belongings { shared_memory, ..Belongings::default() }
    })
}

/// A VM isn't counted at all then, rather than in part.
fn no_room_for_belongings(
    limits: Limits,
    what: &str,
    belongings: impl Fn(u64) -> Belongings,
) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { slots: 8, ..limits })?;
    let capacity = room(&mut kernel);
    let [first, second] = [start(dir.path())?, start(dir.path())?];
    kernel.events();
    kernel.track(first.pid(), &belongings(1001))?;
    let refused = kernel.track(second.pid(), &belongings(1002)).err().context("there is room")?;
    ensure!(refused.to_string().contains(what), "{refused:#}");
    let reading = kernel.read();
    ensure!(reading.vms.keys().eq([&first.pid()]), "{:?}", reading.vms.keys());
    kernel.forget(first.pid());
    kernel.track(second.pid(), &belongings(1002)).context("now there is room")?;
    let room = room(&mut kernel);
    ensure!(room == capacity - 1, "room for {room} more VMs of {capacity}");
    Ok(())
}

fn stalls() -> Result<()> {
    let mut kernel = open_with(Limits { stalls: 1, ..Limits::default() })?;
    this_process(&mut kernel)?;
    kernel.test_run("direct_reclaim_begin", &[])?;
    kernel.test_run("memcg_reclaim_begin", &[])?;
    kernel.test_run("memcg_reclaim_end", &[7])?;
    kernel.test_run("direct_reclaim_end", &[5])?;
    let reading = kernel.read();
    let vm = reading.vms.get(&std::process::id()).context("no slot")?;
    let VmCounters { direct_reclaims, memcg_reclaims, reclaimed_pages, .. } = vm.counters;
    ensure!((direct_reclaims, memcg_reclaims) == (1, 1), "{:?}", vm.counters);
    // Which of the two was timed depends on who else reclaims just now.
    let timed: u64 = vm.histograms.reclaim.iter().sum();
    ensure!(timed <= 1 && [0, 5].contains(&reclaimed_pages), "{timed}, {reclaimed_pages} pages");
    ensure!(timed + reading.host.lost_stalls >= 2, "{} lost stalls", reading.host.lost_stalls);
    shows(kernel, "stall")
}

fn async_faults() -> Result<()> {
    let mut kernel = open_with(Limits { async_faults: 2, ..Limits::default() })?;
    this_process(&mut kernel)?;
    for token in 1..=3 {
        kernel.test_run("async_fault_begin", &[token])?;
    }
    for token in 1..=3 {
        kernel.test_run("async_fault_end", &[token])?;
    }
    let reading = kernel.read();
    let vm = reading.vms.get(&std::process::id()).context("no slot")?;
    let counted = (vm.counters.async_faults, vm.counters.async_faults_done);
    ensure!(counted == (3, 2), "{counted:?} faults begun and done");
    let timed: u64 = vm.histograms.async_fault.iter().sum();
    ensure!(timed == 2 && reading.host.lost_async_faults == 1, "{:?}", reading.host);
    ensure!(kernel.census().async_faults == 0, "{:?}", kernel.census());
    shows(kernel, "1 async fault")
}

fn events() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { events_bytes: 4096, slots: 128, ..Limits::default() })?;
    let capacity = room(&mut kernel);
    for _ in 0..100 {
        start(dir.path())?.end()?;
    }
    let seen = kernel.events();
    let lost = kernel.read().host.lost_events;
    ensure!(lost > 0 && lost + seen.len() as u64 >= 200, "{lost} lost, {} seen", seen.len());
    // The slots of which no event told are found all the same.
    let room = room(&mut kernel);
    ensure!(room == capacity, "room for {room} VMs is left of {capacity}");
    shows(kernel, "events")
}

fn flows() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_with(Limits { flows: 1, ..Limits::default() })?;
    let mut vms = Vec::new();
    for name in ["victim", "noisy"] {
        let vm = Confined::vm(dir.path(), name)?;
        kernel.track(vm.standin.pid(), &Belongings::default())?;
        vms.push(vm);
    }
    for vm in &mut vms {
        vm.standin.touch(160)?;
    }
    let reading = kernel.read();
    let lost = reading.host.lost_flow_pages;
    let shown: u64 = reading.flows.iter().map(|flow| flow.pages.0).sum();
    let taken = |counters: &VmCounters| counters.swap_out_pages + counters.shmem_taken_pages;
    let vms: u64 = reading.vms.values().map(|vm| taken(&vm.counters)).sum();
    let taken = vms + taken(&reading.other);
    ensure!(lost > 100 && shown > 0, "{shown} pages in flows, {lost} lost");
    ensure!(shown + lost == taken, "{shown} and {lost} lost are not {taken}");
    let vms: u64 = reading.vms.values().map(|vm| vm.counters.caused_pages).sum();
    let caused = vms + reading.other.caused_pages + reading.kswapd.caused_pages;
    ensure!(caused == taken, "{caused} pages were caused, {taken} taken");
    shows(kernel, "flow pages")
}
