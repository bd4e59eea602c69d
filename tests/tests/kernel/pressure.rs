//! The begin of pressure is reported at once, and not repeatedly.

use anyhow::{Context, Result, ensure};
use memtrace_ebpf::{
    EVENT_DIRECT_RECLAIM, EVENT_KSWAPD, EVENT_MEMCG_RECLAIM, PRESSURE_PAUSE_NS, SLOT_KSWAPD,
};
use memtrace_host::probe::{KernelSide, Probe};
use memtrace_tests::wait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::Test;
use crate::support::{Confined, TOO_MUCH, events, open};

pub const TESTS: &[(&str, Test)] = &[
    ("a_direct_reclaim_is_told_once_in_a_while", direct_reclaim),
    ("kswapd_is_told_of_when_it_wakes", kswapd),
    ("events_are_taken_without_a_reader", taken_at_once),
];
pub const POOL_TESTS: &[(&str, Test)] = &[("reclaim_in_a_vms_cgroup_is_told_at_once", memcg)];

/// A node that no host has.
const NODE: u64 = 1023;

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// By any process: others may reclaim at the same moment, and then our reclaim isn't reported.
fn direct_reclaim() -> Result<()> {
    let mut kernel = open()?;
    let before = now();
    // A reclaim under way isn't delayed by waking the reader.
    kernel.test_run("direct_reclaim_begin", &[])?;
    let mut told = events(&mut kernel, EVENT_DIRECT_RECLAIM);
    let ours = told.iter().find(|arrived| arrived.event.tgid == std::process::id());
    ensure!(ours.is_none(), "told before its end: {ours:?}");
    for _ in 0..1000 {
        reclaim(&mut kernel)?;
    }
    let passed = now() - before;
    told.extend(events(&mut kernel, EVENT_DIRECT_RECLAIM));
    let most = 1 + passed / PRESSURE_PAUSE_NS;
    ensure!(!told.is_empty() && told.len() as u64 <= most, "{} told, at most {most}", told.len());
    Ok(())
}

/// A complete direct reclaim.
fn reclaim(kernel: &mut Probe) -> Result<()> {
    kernel.test_run("direct_reclaim_begin", &[])?;
    kernel.test_run("direct_reclaim_end", &[0])
}

fn kswapd() -> Result<()> {
    let mut kernel = open()?;
    wait::until("kswapd's event", || {
        kernel.test_run("kswapd_sleep", &[NODE]).ok()?;
        kernel.test_run("kswapd_wake", &[NODE]).ok()?;
        // kswapd works on, which is no new event.
        kernel.test_run("kswapd_wake", &[NODE]).ok()?;
        let told = events(&mut kernel, EVENT_KSWAPD);
        matches!(told.as_slice(), [one] if one.event.slot == SLOT_KSWAPD).then_some(())
    })
}

fn taken_at_once() -> Result<()> {
    let mut kernel = open()?;
    reclaim(&mut kernel)?;
    let bell = kernel.event_fd().context("no bell")?;
    let mut fds = [PollFd::from_borrowed_fd(bell, PollFlags::IN)];
    let deadline = Timespec::try_from(wait::DEADLINE)?;
    ensure!(poll(&mut fds, Some(&deadline))? == 1, "the bell is silent");
    let rung = now();
    let events = kernel.events();
    let event = events.first().context("the bell rang for nothing")?;
    ensure!(event.event.at_ns <= event.seen.0 && event.seen.0 <= rung, "{event:?}, {rung}");
    Ok(())
}

fn memcg() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let mut vm = Confined::tracked(&mut kernel, dir.path(), "pressed")?;
    let pid = vm.standin.pid();
    let begun = now();
    for _ in 0..3 {
        vm.standin.touch(TOO_MUCH)?;
    }
    let mut told = events(&mut kernel, EVENT_MEMCG_RECLAIM);
    told.retain(|arrived| arrived.event.tgid == pid);
    let first = told.first().context("nothing was told")?;
    ensure!(first.event.at_ns >= begun && first.event.slot > SLOT_KSWAPD, "{first:?}");
    // Its only thread can't report twice at the same moment.
    let moments: Vec<u64> = told.iter().map(|arrived| arrived.event.at_ns).collect();
    let near = moments.windows(2).find(|pair| pair[1] - pair[0] < PRESSURE_PAUSE_NS / 2);
    ensure!(near.is_none(), "{near:?} of {moments:?}");
    ensure!(kernel.read().host.lost_events == 0, "events were lost");
    Ok(())
}
