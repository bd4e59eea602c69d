//! Hooks that are attached on demand: nothing is lost in silence while they are detached, and
//! nothing is left when they come and go.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memtrace_core::model::{Snapshot, derive};
use memtrace_core::sample::{HooksSample, ProcessSample, Sample, VmSample};
use memtrace_core::signal::{Quality, Signal, UNASKED};
use memtrace_core::source::Source;
use memtrace_ebpf::VmCounters;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{Belongings, Hooking, KernelSide};
use memtrace_tests::pool::{self, Member};

use crate::Test;
use crate::support::{Confined, TOO_MUCH, counters, open_for, start};

/// Where a kernel without the tracepoints says that instead.
pub const FAULT_TESTS: &[(&str, Test)] =
    &[("no_hook_at_rest_counts_ordinary_faults", no_fault_hooks)];
pub const RESTING_TESTS: &[(&str, Test)] = &[("hooks_come_and_go_a_hundred_times", hundred_times)];
pub const POOL_TESTS: &[(&str, Test)] = &[
    ("a_storm_that_begins_at_rest_is_counted", storm),
    ("pressure_attaches_the_hooks_at_once", woken),
    ("a_vm_starts_moves_and_dies_while_hooks_rest", short_life),
];

/// A machine with much else to do takes its time.
const LIMIT: Duration = Duration::from_secs(60);

fn at_rest() -> Result<LiveSource> {
    let kernel = open_for(Hooking::OnDemand)?;
    let options = LiveOptions { libvirt: false, qmp: false };
    Ok(LiveSource::new(HostRoot::live()?, Ok(Box::new(kernel)), options))
}

/// Whether this kernel lets hooks rest.
///
/// # Errors
/// Why it doesn't.
pub fn can_rest() -> Result<()> {
    ensure!(open_for(Hooking::OnDemand)?.can_rest(), "swap-ins are told by events here");
    Ok(())
}

fn hooks(sample: &Sample) -> Result<HooksSample> {
    sample.host.hooks.context("nothing is told of hooks")
}

fn of(sample: &Sample, pid: u32) -> Result<&VmSample> {
    sample.vms.iter().find(|vm| vm.pid == pid).context("the VM is not in the sample")
}

/// The VM's counters as views have them.
fn totals(snapshot: &Snapshot, pid: u32) -> Result<VmCounters> {
    let vm = snapshot.vms.iter().find(|vm| vm.pid == pid).context("the VM is not shown")?;
    Ok(vm.totals.value.as_ref().context("no totals")?.counters)
}

fn links() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd").context("read descriptors")?.count())
}

fn no_fault_hooks() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut source = at_rest()?;
    let mut vm = start(dir.path())?;
    let before = source.sample(None)?;
    let told = of(&before, vm.pid())?.process;
    vm.touch(64)?;
    let after = source.sample(None)?;
    for signal in [Signal::UserFaults, Signal::KernelFaults] {
        let status = after.signals.iter().find(|status| status.signal == signal);
        let quality = &status.context("no status")?.quality;
        ensure!(*quality == Quality::absent(UNASKED), "{signal:?}: {quality:?}");
    }
    let total = |process: ProcessSample| Some(process.minor_faults? + process.major_faults?);
    let grown = total(of(&after, vm.pid())?.process)
        .zip(total(told))
        .map(|(after, before)| after - before)
        .context("no faults of the process")?;
    ensure!(grown >= 64 / 2, "touching 64 MiB made {grown} faults only");
    let counted = of(&after, vm.pid())?.counters.context("it has no slot")?;
    ensure!((counted.user_faults, counted.kernel_faults, counted.major_faults) == (0, 0, 0));
    Ok(())
}

fn hundred_times() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open_for(Hooking::OnDemand)?;
    let vm = start(dir.path())?;
    kernel.track(vm.pid(), &Belongings::default())?;
    kernel.read();
    let before = links()?;
    for _ in 0..100 {
        kernel.rest()?;
        ensure!(links()? < before, "no link was closed");
        kernel.wake()?;
        // What is attached is not attached again.
        kernel.wake()?;
        ensure!(links()? == before, "{} descriptors, and {before} before", links()?);
    }
    ensure!(counters(&mut kernel, vm.pid()).is_ok());
    let lost = kernel.read().host;
    ensure!((lost.lost_events, lost.failed_reads) == (0, 0), "{lost:?}");
    Ok(())
}

/// All of a storm passes while the hooks are detached, as if memtrace never got to run.
fn storm() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut source = at_rest()?;
    let mut vm = Confined::vm(dir.path(), "storm")?;
    let pid = vm.standin.pid();
    let before = source.sample(None)?;
    source.detach_hooks()?;
    vm.standin.touch(TOO_MUCH)?;
    let after = source.sample(None)?;
    let swapped = vm.standin.status_pages("VmSwap")?;
    ensure!(swapped > 1000, "only {swapped} pages are in swap");
    let snapshot = derive(Some(&before), &after);
    let row = totals(&snapshot, pid)?;
    agree("pages in swap", row.swap_out_pages - row.swap_in_pages, swapped)?;
    let view = snapshot.vms.iter().find(|vm| vm.pid == pid).context("not shown")?;
    for quality in [&view.swap_out.quality, &view.taken.quality] {
        ensure!(quality.word() == "approximate", "{quality:?} of what was not seen");
    }
    let counted = after.host.counters.as_ref().context("no counters")?;
    let missed = counted.missed_by_signal.get(&Signal::Flows).copied().unwrap_or(0);
    ensure!(missed >= swapped, "{missed} pages may have been missed, and {swapped} are in swap");
    // From then on they see all of it again.
    ensure!(hooks(&after)?.attached, "they are still detached");
    vm.standin.touch(TOO_MUCH)?;
    let last = source.sample(None)?;
    let snapshot = derive(Some(&after), &last);
    let swapped = vm.standin.status_pages("VmSwap")?;
    let grown = totals(&snapshot, pid)?;
    agree("pages in swap later", grown.swap_out_pages - grown.swap_in_pages, swapped)?;
    let flows = last.flows.as_ref().context("no flows")?;
    let pages: u64 = flows.iter().map(|flow| flow.pages.0).sum();
    let seen = grown.swap_out_pages - row.swap_out_pages;
    ensure!(pages >= seen * 99 / 100, "{pages} pages in flows of {seen} that went out");
    let missed = |sample: &Sample| {
        let counters = sample.host.counters.as_ref();
        counters.and_then(|counters| counters.missed_by_signal.get(&Signal::SwapOut).copied())
    };
    ensure!(missed(&last) == missed(&after), "attached hooks miss something");
    Ok(())
}

/// The end of the first reclaim wakes whoever waits for events.
fn woken() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut source = at_rest()?;
    let mut vm = Confined::vm(dir.path(), "woken")?;
    let pid = vm.standin.pid();
    let before = source.sample(None)?;
    source.detach_hooks()?;
    let last = std::thread::scope(|scope| {
        let touching = scope.spawn(|| vm.standin.touch(TOO_MUCH));
        let begun = Instant::now();
        while !touching.is_finished() && begun.elapsed() < LIMIT {
            source.wait(Duration::from_millis(50));
        }
        touching.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
        source.sample(None)
    })?;
    ensure!(hooks(&last)?.attached, "they are detached after a storm");
    let counted = of(&last, pid)?.counters.context("it has no slot")?;
    let swapped = vm.standin.status_pages("VmSwap")?;
    let row = totals(&derive(Some(&before), &last), pid)?;
    agree("pages in swap", row.swap_out_pages - row.swap_in_pages, swapped)?;
    // Attached at the first sign, they saw most of it: the flows have it.
    let flows = last.flows.as_ref().context("no flows")?;
    let pages: u64 = flows.iter().map(|flow| flow.pages.0).sum();
    let out = counted.swap_out_pages;
    ensure!(pages >= out / 2, "{pages} of {out} pages were seen to be taken");
    Ok(())
}

/// It starts, is pressed in one cgroup, moves to another and is gone, all between two samples.
fn short_life() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut source = at_rest()?;
    let before = source.sample(None)?;
    source.detach_hooks()?;
    let mut vm = Confined::vm(dir.path(), "short")?;
    vm.standin.touch(TOO_MUCH)?;
    let pid = vm.standin.pid();
    let elsewhere = Member::new(&pool::find()?, &format!("moved-{pid}"), pid)?;
    vm.standin.touch(TOO_MUCH)?;
    vm.standin.kill()?;
    let after = source.sample(None)?;
    ensure!(after.vms.iter().all(|vm| vm.pid != pid), "it is gone");
    let counted = after.host.counters.as_ref().context("no counters")?;
    let missed = counted.missed_by_signal.get(&Signal::Flows).copied().unwrap_or(0);
    ensure!(missed > 1000, "only {missed} pages may have been missed");
    let flows = derive(Some(&before), &after).flows;
    ensure!(flows.quality.word() == "approximate", "{:?}", flows.quality);
    drop(elsewhere);
    Ok(())
}

fn agree(what: &str, ours: u64, theirs: u64) -> Result<()> {
    let within = (theirs / 100).max(16);
    ensure!(ours.abs_diff(theirs) <= within, "{what}: {ours}, the kernel says {theirs}");
    Ok(())
}
