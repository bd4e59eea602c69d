//! Swap and reclaim, against what the kernel counts itself. The stand-ins share a memory
//! cgroup that is too small for them.

use anyhow::{Context, Result, ensure};
use memtrace_core::signal::{Quality, Signal};
use memtrace_host::probe::{FlowReading, KernelSide, Reading, Taker};

use crate::Test;
use crate::support::{Confined, TOO_MUCH, open};

pub const TESTS: &[(&str, Test)] = &[
    ("swap_outs_less_swap_ins_are_vmswap", balance),
    ("major_faults_agree_with_memory_stat", major_faults),
    ("pages_are_taken_by_who_needs_them_from_who_has_them", flows),
    ("reclaim_is_charged_to_who_waits", reclaim),
    ("what_is_taken_from_others_is_charged_to_others", others),
    ("reclaim_writes_count_pages_of_any_owner", writes),
    ("what_a_killed_vm_had_in_swap_is_its_own", killed),
];

/// Pages that the last level of page tables maps each, on x86-64 and arm64: a table is a page of
/// entries of eight bytes.
fn pages_of_a_table() -> u64 {
    rustix::param::page_size() as u64 / 8
}

fn agree(what: &str, ours: u64, theirs: u64) -> Result<()> {
    let within = (theirs / 100).max(16);
    ensure!(ours.abs_diff(theirs) <= within, "{what}: {ours}, the kernel says {theirs}");
    Ok(())
}

fn balance() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut vm = Confined::tracked(&mut kernel, dir.path(), "balance")?;
    for round in 0..3 {
        vm.standin.touch(TOO_MUCH)?;
        let counters = vm.counters(&kernel.read())?;
        let swapped = vm.standin.status_pages("VmSwap")?;
        ensure!(swapped > 1000, "round {round}: only {swapped} pages are in swap");
        let ours = counters.swap_out_pages - counters.swap_in_pages;
        agree(&format!("round {round}: pages in swap"), ours, swapped)?;
    }
    let counters = vm.counters(&kernel.read())?;
    ensure!(counters.swap_in_pages > 10_000, "only {} swap-ins", counters.swap_in_pages);
    Ok(())
}

fn major_faults() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let by_hook = kernel
        .signals()
        .iter()
        .any(|status| status.signal == Signal::MajorFaults && status.quality == Quality::Exact);
    let mut vm = Confined::tracked(&mut kernel, dir.path(), "major")?;
    let before = (vm.counters(&kernel.read())?, vm.cgroup.stat("pgmajfault")?);
    vm.standin.touch(TOO_MUCH)?;
    vm.standin.touch(TOO_MUCH)?;
    let after = (vm.counters(&kernel.read())?, vm.cgroup.stat("pgmajfault")?);
    let theirs = after.1 - before.1;
    ensure!(theirs > 100, "only {theirs} major faults");
    let ours = after.0.major_faults - before.0.major_faults;
    if by_hook {
        return agree("major faults", ours, theirs);
    }
    ensure!(ours == 0, "{ours} major faults from a hook that isn't there");
    Ok(())
}

fn flows() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut victim = Confined::tracked(&mut kernel, dir.path(), "victim")?;
    let mut noisy = Confined::tracked(&mut kernel, dir.path(), "noisy")?;
    victim.standin.touch(64)?;
    noisy.standin.touch(TOO_MUCH)?;
    let reading = kernel.read();
    let taken = victim.counters(&reading)?.swap_out_pages;
    ensure!(taken > 1000, "only {taken} pages were taken");
    let flow = |causer: &Confined, victim: &Confined| {
        let matches = |flow: &&FlowReading| {
            flow.causer == Taker::Process(causer.standin.pid())
                && flow.victim == Taker::Process(victim.standin.pid())
        };
        reading.flows.iter().find(matches).map_or(0, |flow| flow.pages.0)
    };
    agree("pages that noisy took from victim", flow(&noisy, &victim), taken)?;
    let by_victim = flow(&victim, &noisy);
    ensure!(by_victim <= 16, "victim is charged {by_victim} pages of noisy");
    let from_noisy: u64 = noisy.counters(&reading)?.swap_out_pages;
    agree("pages that noisy took from itself", flow(&noisy, &noisy), from_noisy)
}

fn reclaim() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut noisy = Confined::tracked(&mut kernel, dir.path(), "noisy")?;
    let idle = Confined::tracked(&mut kernel, dir.path(), "idle")?;
    let before = idle.counters(&kernel.read())?;
    let begun = std::time::Instant::now();
    noisy.standin.touch(TOO_MUCH)?;
    let elapsed = begun.elapsed().as_nanos() as u64;
    let reading = kernel.read();
    let counters = noisy.counters(&reading)?;
    ensure!(counters.memcg_reclaims > 10, "{} reclaims", counters.memcg_reclaims);
    ensure!(counters.reclaimed_pages > 1000, "{} pages", counters.reclaimed_pages);
    // It has one thread, so it can't have waited longer than it took.
    let waited = counters.memcg_reclaim_ns;
    ensure!((1..=elapsed).contains(&waited), "{waited} ns of waiting in {elapsed} ns");
    let reading_vm = reading.vms.get(&noisy.standin.pid()).context("no slot")?;
    let timed: u64 = reading_vm.histograms.reclaim.iter().sum();
    ensure!(
        timed == counters.memcg_reclaims + counters.direct_reclaims,
        "{timed} in the histogram"
    );
    let after = idle.counters(&reading)?;
    ensure!(
        (after.memcg_reclaims, after.reclaimed_pages)
            == (before.memcg_reclaims, before.reclaimed_pages),
        "the idle one is charged: {after:?}"
    );
    Ok(())
}

fn others() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let vm = Confined::tracked(&mut kernel, dir.path(), "vm")?;
    let mut other = Confined::other(dir.path(), "other")?;
    let before = kernel.read();
    other.standin.touch(TOO_MUCH)?;
    let after = kernel.read();
    let swapped = other.standin.status_pages("VmSwap")?;
    ensure!(swapped > 1000, "only {swapped} pages are in swap");
    let taken = after.other.swap_out_pages - before.other.swap_out_pages;
    ensure!(taken >= swapped, "{taken} pages were taken from others, of whom one lacks {swapped}");
    let total = |reading: &Reading| -> u64 {
        let from_others = reading.flows.iter().filter(|flow| flow.victim == Taker::Other);
        from_others.map(|flow| flow.pages.0).sum()
    };
    agree("pages in flows from others", total(&after) - total(&before), taken)?;
    ensure!(vm.counters(&after)?.swap_out_pages == 0, "the VM is charged");
    Ok(())
}

fn writes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut vm = Confined::tracked(&mut kernel, dir.path(), "writes")?;
    let written = |kernel: &mut dyn KernelSide| -> u64 {
        let reading = kernel.read();
        let vms = reading.vms.values().map(|vm| vm.counters.reclaim_write_pages);
        vms.sum::<u64>() + reading.other.reclaim_write_pages + reading.kswapd.reclaim_write_pages
    };
    let before = (vmstat("nr_vmscan_write")?, written(&mut kernel));
    vm.standin.touch(TOO_MUCH)?;
    vm.standin.touch(TOO_MUCH)?;
    let after = (vmstat("nr_vmscan_write")?, written(&mut kernel));
    let own = vm.counters(&kernel.read())?.reclaim_write_pages;
    ensure!(own > 10_000, "only {own} pages of the VM were written");
    agree("pages that reclaim wrote", after.1 - before.1, after.0 - before.0)
}

/// Since 6.16 `sched_process_exit` fires before the kernel frees the memory of a process. While it
/// frees it the address space has no owner any more, so its pages are charged to the VM only if the
/// address space is remembered beyond that tracepoint.
fn killed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    for threads in [0, 32] {
        let mut vm = Confined::tracked(&mut kernel, dir.path(), "killed")?;
        vm.standin.spawn_threads(threads)?;
        vm.standin.touch(TOO_MUCH)?;
        let before = vm.counters(&kernel.read())?;
        let swapped = vm.standin.status_pages("VmSwap")?;
        ensure!(swapped > 1000, "only {swapped} pages are in swap");
        vm.standin.kill()?;
        let after = vm.counters(&kernel.read())?;
        // The kernel sends at least one event for each page table.
        let events = after.swap_in_pages - before.swap_in_pages;
        ensure!(
            events >= swapped / pages_of_a_table(),
            "{threads} threads more: {events} events of {swapped} pages that left swap"
        );
    }
    Ok(())
}

/// A counter of /proc/vmstat, of all CPUs at this moment.
fn vmstat(name: &str) -> Result<u64> {
    std::fs::write("/proc/sys/vm/stat_refresh", "1").context("refresh vmstat")?;
    let text = std::fs::read_to_string("/proc/vmstat")?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.with_context(|| format!("no {name}"))?.parse().context("a number")
}
