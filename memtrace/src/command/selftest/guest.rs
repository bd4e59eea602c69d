//! The guest's process: memtrace with a hidden command. It allocates memory, and writes to it a
//! stretch at a time, on command.

use std::io::{BufRead, Write};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use rustix::param::page_size;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

use memtrace_host::probe::kvm::Machine;
use memtrace_host::vmm::SELFTEST_GUEST;

/// Most memory that a guest takes.
const MAX_MIB: u32 = 1024;

/// Memory that can be walked over.
enum Memory {
    Kvm(Box<Machine>),
    Process { pages: Vec<u8>, next: usize, stretch: usize },
}

/// The hidden command that runs the guest, used by [`super::child`].
pub const COMMAND: &str = SELFTEST_GUEST;

/// Parameters of the guest.
#[derive(Clone, Copy, Debug, Parser)]
#[command(name = COMMAND)]
pub struct GuestArguments {
    /// Process id of the parent; the guest ends with it.
    #[arg(long)]
    pub parent: u32,
    /// Its memory in MiB.
    #[arg(long)]
    pub mib: u32,
    /// Pages to walk at a time.
    #[arg(long)]
    pub stretch: u32,
    /// As a KVM guest.
    #[arg(long)]
    pub kvm: bool,
}

impl GuestArguments {
    /// What this process was started as, if it was started as a guest.
    pub fn of_this_process() -> Option<Self> {
        let mut typed = std::env::args_os().skip(1).peekable();
        typed.next_if(|command| command == COMMAND)?;
        Some(Self::parse_from(std::iter::once(COMMAND.into()).chain(typed)))
    }

    /// Obeys standard input, a command a line, and answers each with a line, `ok` or what
    /// went wrong: `start` takes the memory, `walk` writes to the next stretch of it. Ends
    /// with the input, or with its parent.
    ///
    /// # Errors
    /// When the parent is gone, or the answers can't be written.
    pub fn run(self) -> Result<()> {
        ensure!((1..=MAX_MIB).contains(&self.mib), "from 1 to {MAX_MIB} MiB");
        die_with(self.parent)?;
        go_first();
        stay_put();
        let mut memory = None;
        for line in std::io::stdin().lock().lines() {
            let answer = match (line?.as_str(), &mut memory) {
                ("start", None) => Memory::take(self).map(|taken| memory = Some(taken)),
                ("walk", Some(memory)) => memory.walk_stretch(),
                (line, _) => Err(anyhow!("unknown command {line:?}")),
            };
            let answer = answer.map_or_else(|error| format!("{error:#}"), |()| "ok".to_owned());
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", answer.replace('\n', " ")).and_then(|()| out.flush())?;
        }
        Ok(())
    }
}

/// Ends the guest with its parent.
fn die_with(parent: u32) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("set the parent-death signal")?;
    let now = getppid().map(Pid::as_raw_nonzero);
    let is_parent = now.is_some_and(|pid| u32::try_from(pid.get()) == Ok(parent));
    ensure!(is_parent, "the parent has exited");
    Ok(())
}

/// Makes this process the OOM killer's first choice.
fn go_first() {
    // Best effort: more than that the kernel's own choice would be.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        tracing::debug!("oom_score_adj: {error}");
    }
}

/// Stays on one CPU. PSI weighs CPUs by how busy they are, so that it is a bound for what a
/// thread waits only while that doesn't move (kernel/sched/psi.c, `collect_percpu_times`).
fn stay_put() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu());
    // Best effort: everything else can be compared without.
    if let Err(error) = sched_setaffinity(None, &cpus) {
        tracing::debug!("the guest moves between CPUs: {error}");
    }
}

impl Memory {
    fn take(arguments: GuestArguments) -> Result<Self> {
        let bytes = arguments.mib << 20;
        if arguments.kvm {
            return Ok(Self::Kvm(Box::new(Machine::new(bytes, arguments.stretch)?)));
        }
        Ok(Self::Process {
            pages: vec![0; bytes as usize],
            next: 0,
            stretch: arguments.stretch as usize,
        })
    }

    fn walk_stretch(&mut self) -> Result<()> {
        match self {
            Self::Kvm(machine) => machine.walk_stretch(),
            Self::Process { pages, next, stretch } => {
                let page = page_size();
                let count = pages.len().div_ceil(page);
                for _ in 0..*stretch {
                    let address = next.saturating_mul(page);
                    if let Some(byte) = pages.get_mut(address..).and_then(<[u8]>::first_chunk_mut) {
                        // Never 0, and another one in each page, so that no page is like another.
                        *byte = next.saturating_add(1).to_ne_bytes();
                    }
                    *next = next.saturating_add(1) % count.max(1);
                }
                // The memory is never read, but the writes must happen.
                std::hint::black_box(pages.as_mut_ptr());
                Ok(())
            }
        }
    }
}
