//! Support for the kernel tests: runs programs as if their tracepoints had fired, leaves entries
//! behind as a skipped run does, and counts slots.

use anyhow::{Context, Result};
use aya::TestRun;
use aya::maps::{HashMap, MapData};
use aya::programs::{ProgramError, RawTracePoint, RawTracePointRunOptions};
use memtrace_ebpf::{StallKey, StallStart, mark_index};

use super::live::Probe;
use super::slots::Census;
use crate::clock::monotonic;

/// A wait of a thread whose end the programs did not see.
#[derive(Clone, Copy, Debug)]
pub struct Leftover {
    /// The thread's id.
    pub thread: u32,
    /// One of the `STALL_*` constants.
    pub kind: u32,
    /// The tracked process whose wait it was.
    pub of: u32,
    /// One of the `NOTE_*` constants, or 0.
    pub note: u32,
    /// Nanoseconds since it began.
    pub age_ns: u64,
}

impl Probe {
    /// Runs a program once in this thread, as if its tracepoint had fired with these
    /// arguments; what it takes for pointers has to be NULL. Also one that this kernel has no
    /// use for.
    ///
    /// # Errors
    /// When there is no such program, or the kernel can't.
    pub fn test_run(&mut self, program: &str, arguments: &[u64]) -> Result<()> {
        let program = self.ebpf.program_mut(program).context("no such program")?;
        let program: &mut RawTracePoint = program.try_into()?;
        match program.load() {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
            Err(error) => return Err(error).context("load the program"),
        }
        let mut options = RawTracePointRunOptions::new();
        for (place, argument) in options.args.iter_mut().zip(arguments) {
            *place = *argument;
        }
        program.test_run(options).context("run the program")?;
        Ok(())
    }

    /// Leaves a wait under way.
    ///
    /// # Errors
    /// When the process isn't tracked, or the kernel refuses.
    pub fn leave_wait(&mut self, left: Leftover) -> Result<()> {
        let slot = self.slots.tracked.get(&left.of).context("not tracked")?.slot;
        let begun_ns = monotonic().0.saturating_sub(left.age_ns);
        let key = StallKey { pid: left.thread, kind: left.kind };
        self.waits()?.insert(key, StallStart { begun_ns, slot, note: left.note }, 0)?;
        Ok(())
    }

    /// Whether a wait of that kind is under way in a thread.
    ///
    /// # Errors
    /// When the object has no such map.
    pub fn waits_in(&mut self, thread: u32, kind: u32) -> Result<bool> {
        Ok(self.waits()?.get(&StallKey { pid: thread, kind }, 0).is_ok())
    }

    fn waits(&mut self) -> Result<HashMap<&mut MapData, StallKey, StallStart>> {
        Ok(self.ebpf.map_mut("STALLS").context("no such map")?.try_into()?)
    }

    /// Takes the mark of a process away, as [`super::processes::Processes::tidy`] does when
    /// the programs enter the process a moment too late for it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take_mark(&mut self, tgid: u32) -> Result<()> {
        self.slots.processes.take_mark(mark_index(tgid))
    }

    /// The numbers of slots by state, and of entries that lead to them.
    pub fn census(&self) -> Census {
        self.slots.census()
    }
}
