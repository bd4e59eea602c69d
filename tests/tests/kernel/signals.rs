//! What the programs count, against what the kernel counts itself.

use anyhow::{Context, Result, ensure};
use memtrace_core::signal::Signal;
use memtrace_host::probe::support::{TRACEPOINTS, facts};
use memtrace_host::probe::{Belongings, Hooking, KernelSide};
use memtrace_tests::standin::StandIn;

use crate::Test;
use crate::support::{OTHER, counters, open, start};

pub const TESTS: &[(&str, Test)] = &[
    ("every_tracepoint_of_this_kernel_is_used", every_tracepoint_is_used),
    ("no_vm_is_charged_before_it_is_tracked", untracked),
];
/// By a fault of a process that has no KVM VM, which not every processor has a tracepoint for.
pub const FAULT_TESTS: &[(&str, Test)] = &[
    ("user_faults_agree_with_the_process", user_faults_agree),
    ("an_idle_neighbour_is_charged_nothing", idle_neighbour),
    ("without_btf_faults_are_still_counted", without_btf),
];

/// A signal may be absent only because the kernel lacks its tracepoint, or refuses what
/// memtrace can do without.
fn every_tracepoint_is_used() -> Result<()> {
    let kernel = open()?;
    let facts = facts(std::path::Path::new("/sys"));
    ensure!(kernel.signals().len() == Signal::ALL.len());
    for status in kernel.signals() {
        let Some(reason) = status.quality.reason().filter(|_| status.quality.is_absent()) else {
            continue;
        };
        let lacking = TRACEPOINTS
            .iter()
            .filter(|name| !facts.tracepoints.contains_key(*name))
            .any(|name| reason.contains(name));
        let module = reason.contains("kvm:");
        let optional = status.signal.is_optional();
        // KVM has them on x86 and s390 alone (CONFIG_KVM_ASYNC_PF).
        let elsewhere = status.signal == Signal::AsyncFaults && cfg!(not(target_arch = "x86_64"));
        ensure!(
            lacking || module || optional || elsewhere,
            "{:?} is absent: {reason}",
            status.signal
        );
    }
    Ok(())
}

fn user_faults_agree() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut standin = start(dir.path())?;
    kernel.track(standin.pid(), &Belongings::default())?;
    let before = (counters(&mut kernel, standin.pid())?, standin.faults()?);
    standin.touch(64)?;
    let after = (counters(&mut kernel, standin.pid())?, standin.faults()?);
    let ours =
        after.0.user_faults + after.0.kernel_faults - before.0.user_faults - before.0.kernel_faults;
    let (minor, major) = (after.1.0 - before.1.0, after.1.1 - before.1.1);
    let theirs = minor + major;
    // With huge pages it is one fault for each 2 MiB.
    ensure!(theirs >= 64 / 2, "touching 64 MiB made {theirs} faults only");
    ensure!(ours.abs_diff(theirs) <= theirs / 100 + 16, "{ours} faults by hook, {theirs} by /proc");
    Ok(())
}

fn idle_neighbour() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut busy = start(dir.path())?;
    let idle = start(dir.path())?;
    kernel.track(busy.pid(), &Belongings::default())?;
    kernel.track(idle.pid(), &Belongings::default())?;
    idle.rest()?;
    let before = counters(&mut kernel, idle.pid())?;
    let busy_before = counters(&mut kernel, busy.pid())?;
    busy.touch(64)?;
    ensure!(counters(&mut kernel, busy.pid())? != busy_before, "the busy one shows nothing");
    ensure!(counters(&mut kernel, idle.pid())? == before, "the idle one moved");
    Ok(())
}

fn untracked() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut other = StandIn::start(dir.path(), OTHER)?;
    other.touch(16)?;
    let reading = kernel.read();
    ensure!(reading.vms.is_empty(), "{:?}", reading.vms.keys());
    Ok(())
}

/// A kernel without type information: signals that need none are measured, the others give the
/// reason.
fn without_btf() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = memtrace_host::probe::open(dir.path(), false, Hooking::Always)?;
    let status = |wanted: Signal| {
        kernel.signals().iter().find(|status| status.signal == wanted).context("no status")
    };
    let swap_out = status(Signal::SwapOut)?;
    ensure!(swap_out.quality.is_absent(), "{swap_out:?}");
    let reason = swap_out.quality.reason().unwrap_or_default();
    ensure!(reason.contains("btf"), "{reason}");
    ensure!(!status(Signal::UserFaults)?.quality.is_absent());
    let mut standin = start(dir.path())?;
    kernel.track(standin.pid(), &Belongings::default())?;
    standin.touch(16)?;
    ensure!(counters(&mut *kernel, standin.pid())?.user_faults > 0, "no faults");
    ensure!(kernel.read().host.failed_reads == 0, "it read what it knows nothing of");
    Ok(())
}
