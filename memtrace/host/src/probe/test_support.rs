//! Support for the kernel tests: runs programs as if their tracepoints had fired, and counts slots.

use anyhow::{Context, Result};
use aya::TestRun;
use aya::programs::{RawTracePoint, RawTracePointRunOptions};

use super::live::Probe;
use super::slots::Census;

impl Probe {
    /// Runs a program once in this thread, as if its tracepoint had fired with these
    /// arguments; what it takes for pointers has to be NULL.
    ///
    /// # Errors
    /// When there is no such program, or the kernel can't.
    pub fn rehearse(&self, program: &str, arguments: &[u64]) -> Result<()> {
        let program = self.ebpf.program(program).context("no such program")?;
        let program: &RawTracePoint = program.try_into()?;
        let mut options = RawTracePointRunOptions::new();
        for (place, argument) in options.args.iter_mut().zip(arguments) {
            *place = *argument;
        }
        program.test_run(options).context("run the program")?;
        Ok(())
    }

    /// The numbers of slots by state, and of entries that lead to them.
    pub fn census(&self) -> Census {
        self.slots.census()
    }
}
