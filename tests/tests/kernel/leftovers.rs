//! Waits whose end no program saw: their entries are removed, and they are charged to no VM.

use std::sync::{Barrier, Mutex};

use anyhow::{Result, ensure};
use memtrace_ebpf::{
    NOTE_ANNOUNCED, NOTE_FOR_VM, NOTE_REMOTE, STALL_KINDS, STALL_MEMCG_RECLAIM, STALL_SWAP_IN,
};
use memtrace_host::probe::{Belongings, KernelSide, Leftover, Limits, Probe};

use crate::Test;
use crate::support::{Confined, TOO_MUCH, counters, open, open_with, start, thread_id};

pub const TESTS: &[(&str, Test)] = &[
    ("threads_that_once_compacted_take_no_room", compacted),
    ("a_thread_takes_its_waits_along_when_it_ends", ended_thread),
    ("a_memcg_reclaim_left_behind_is_not_a_worker's_next_one", worker),
];
pub const FENTRY_TESTS: &[(&str, Test)] =
    &[("a_swap_in_left_behind_is_not_that_of_the_next_process", swap_in)];

/// Room for waits, and more threads than that.
const ROOM: u32 = 64;
const THREADS: usize = 200;
/// Old enough to show, young enough for a wait.
const AGE_NS: u64 = 10_000_000_000;
/// Compaction by any thread, as on hosts with transparent huge pages.
fn compacted() -> Result<()> {
    for tracked in [false, true] {
        let mut kernel = open_with(Limits { stalls: ROOM, ..Limits::default() })?;
        let pid = std::process::id();
        if tracked {
            kernel.track(pid, &Belongings::default())?;
        }
        with_idle_threads(&mut kernel, |kernel| {
            kernel.test_run("compaction_begin", &[])?;
            kernel.test_run("compaction_end", &[])
        })?;
        kernel.track(pid, &Belongings::default())?;
        let before = counters(&mut kernel, pid)?;
        kernel.test_run("direct_reclaim_begin", &[])?;
        kernel.test_run("direct_reclaim_end", &[5])?;
        let after = counters(&mut kernel, pid)?;
        ensure!(after.direct_reclaim_ns > before.direct_reclaim_ns, "tracked {tracked}: no time");
        let lost = kernel.read().host.lost_stalls;
        ensure!(lost == 0, "tracked {tracked}: {lost} waits did not fit");
    }
    Ok(())
}

/// Runs `each` in as many threads, all of which live until all are through.
fn with_idle_threads(
    kernel: &mut Probe,
    each: impl Fn(&mut Probe) -> Result<()> + Sync,
) -> Result<()> {
    let (kernel, through) = (Mutex::new(kernel), Barrier::new(THREADS));
    let run = || {
        let done = kernel.lock().map_or_else(
            |_| Err(anyhow::anyhow!("another thread panicked")),
            |mut kernel| each(&mut kernel),
        );
        through.wait();
        done
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?
        })
    })
}

fn ended_thread() -> Result<()> {
    let mut kernel = open()?;
    let pid = std::process::id();
    kernel.track(pid, &Belongings::default())?;
    let thread = std::thread::scope(|scope| -> Result<u32> {
        let leave = || {
            let thread = thread_id();
            for kind in STALL_KINDS {
                kernel.leave_wait(Leftover { thread, kind, of: pid, note: 0, age_ns: 0 })?;
                ensure!(kernel.waits_in(thread, kind)?, "kind {kind} was not left");
            }
            Ok(thread)
        };
        scope.spawn(leave).join().map_err(|_| anyhow::anyhow!("the thread panicked"))?
    })?;
    // A thread is joined a moment before the kernel is through with it.
    let path = format!("/proc/self/task/{thread}");
    memtrace_tests::wait::until("the thread's end", || {
        (!std::path::Path::new(&path).exists()).then_some(())
    })?;
    for kind in STALL_KINDS {
        ensure!(!kernel.waits_in(thread, kind)?, "a wait of kind {kind} has no thread any more");
    }
    Ok(())
}

/// If both a worker's begin and end were skipped, none of its time is the VM's, and what it
/// reclaims next is not charged to the VM.
fn worker() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let standin = start(dir.path())?;
    kernel.track(standin.pid(), &Belongings::default())?;
    for note in [NOTE_ANNOUNCED, NOTE_FOR_VM] {
        let (thread, kind) = (thread_id(), STALL_MEMCG_RECLAIM);
        let left = Leftover { thread, kind, of: standin.pid(), note, age_ns: AGE_NS };
        kernel.leave_wait(left)?;
        let before = counters(&mut kernel, standin.pid())?;
        kernel.test_run("memcg_reclaim_end", &[0])?;
        let after = counters(&mut kernel, standin.pid())?;
        ensure!(after.memcg_reclaim_ns == before.memcg_reclaim_ns, "note {note}: it is timed");
        kernel.leave_wait(left)?;
        kernel.test_run("direct_reclaim_begin", &[])?;
        let stays = kernel.waits_in(thread, kind)?;
        kernel.test_run("direct_reclaim_end", &[0])?;
        ensure!(!stays, "note {note}: a worker that reclaims for others still serves the VM");
    }
    Ok(())
}

/// The kernel leaves an end out when its program runs already on that CPU.
fn swap_in() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let standin = start(dir.path())?;
    kernel.track(standin.pid(), &Belongings::default())?;
    let mut other = Confined::other(dir.path(), "other")?;
    other.standin.touch(TOO_MUCH)?;
    let (thread, kind) = (other.standin.pid(), STALL_SWAP_IN);
    let left = Leftover { thread, kind, of: standin.pid(), note: NOTE_REMOTE, age_ns: AGE_NS };
    kernel.leave_wait(left)?;
    // Brings back its own pages, which are no VM's.
    other.standin.touch(TOO_MUCH)?;
    let counters = counters(&mut kernel, standin.pid())?;
    let waits = (counters.swap_in_remote_waits, counters.swap_in_remote_wait_ns);
    ensure!(waits == (0, 0), "{waits:?} waits and nanoseconds of a page that is not the VM's");
    ensure!(!kernel.waits_in(thread, kind)?, "the wait is still under way");
    Ok(())
}
