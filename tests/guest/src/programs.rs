//! The programs' process as PID 1 sees it: starts it, starts it again when it was killed, and
//! keeps what it has done.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};

use crate::counts::Counts;
use crate::load;
use crate::meminfo;
use crate::plan::Plan;

/// The word that makes this program the programs.
pub const ROLE: &str = "programs";
/// Most notes that are kept.
const NOTES: usize = 32;

/// What is known of the process.
#[derive(Default)]
struct ProgramsState {
    input: Option<ChildStdin>,
    ready: bool,
    /// Milliseconds of the monotonic clock.
    begun: Option<u64>,
    /// Of those that were killed, and of the one that runs.
    earlier: Counts,
    counts: Counts,
    kills: u64,
    notes: VecDeque<String>,
    problem: Option<String>,
}

/// The load of this guest.
#[derive(Default)]
pub struct Programs {
    lines: Vec<String>,
    plan: Plan,
    state: Arc<Mutex<ProgramsState>>,
    /// Counters of the guest's kernel at `go`.
    faults: u64,
    ooms: u64,
    waited_us: Option<u64>,
}

impl Programs {
    /// Takes a line of the plan in.
    ///
    /// # Errors
    /// When it is none; the error is a reply.
    pub fn plan(&mut self, line: &str) -> Result<(), String> {
        self.plan.take(line)?;
        self.lines.push(line.to_owned());
        Ok(())
    }

    /// Starts the process, which takes what is needed at the beginning.
    ///
    /// # Errors
    /// When it can't be started; the error is a reply.
    pub fn settle(&self) -> Result<(), String> {
        let (lines, state) = (self.lines.clone(), Arc::clone(&self.state));
        let child = start(&lines, &state, "settle").map_err(|error| format!("{error:#}"))?;
        std::thread::spawn(move || follow(child, &lines, &state));
        Ok(())
    }

    /// Lets it follow its plan from now on.
    ///
    /// # Errors
    /// When it isn't ready; the error is a reply.
    pub fn go(&mut self) -> Result<(), String> {
        self.faults = meminfo::counter("pgmajfault").unwrap_or(0);
        self.ooms = meminfo::counter("oom_kill").unwrap_or(0);
        self.waited_us = meminfo::waited_us();
        let mut state = lock(&self.state);
        if !state.ready {
            return Err("it isn't ready".to_owned());
        }
        let begun = load::now();
        state.begun = Some(begun);
        say(&mut state, &format!("go {begun}")).map_err(|error| format!("{error:#}"))
    }

    /// In words, `key=value`, what happened since `go`; what isn't known is left out.
    pub fn report(&self) -> String {
        let state = lock(&self.state);
        let how = match (&state.problem, state.begun, state.ready) {
            (Some(_), ..) => "failed",
            (None, Some(_), _) => "running",
            (None, None, true) => "ready",
            (None, None, false) => "settling",
        };
        let counts = state.counts.after(state.earlier);
        let mut text = format!("state={how} {counts} restarts={}", state.kills);
        let mut add = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                text.push_str(&format!(" {name}={value}"));
            }
        };
        let since = |name: &str, then: u64| Some(meminfo::counter(name)?.saturating_sub(then));
        add("faults", since("pgmajfault", self.faults));
        add("ooms", since("oom_kill", self.ooms));
        let waited = meminfo::waited_us().zip(self.waited_us);
        add("waited_us", waited.map(|(now, then)| now.saturating_sub(then)));
        add("available", meminfo::available_mib());
        if let Some(problem) = &state.problem {
            text.push_str(&format!(" problem={}", problem.replace(' ', "_")));
        }
        text
    }

    /// What the programs had to say since they were asked last: `notes=NOTE;NOTE`.
    pub fn notes(&self) -> String {
        let notes: Vec<String> = lock(&self.state).notes.drain(..).collect();
        format!("notes={}", notes.join(";"))
    }
}

fn lock(state: &Mutex<ProgramsState>) -> MutexGuard<'_, ProgramsState> {
    // Totals are plain numbers, so they remain valid after a panic.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(state: &mut ProgramsState, line: &str) -> Result<()> {
    let input = state.input.as_mut().context("it doesn't run")?;
    writeln!(input, "{line}").context("it doesn't listen")
}

fn start(lines: &[String], state: &Mutex<ProgramsState>, last: &str) -> Result<Child> {
    let mut child = Command::new("/proc/self/exe")
        .arg(ROLE)
        // So that each piece is given back to the kernel when it is freed (mallopt(3)).
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
        .env("MALLOC_MMAP_MAX_", "1048576")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the programs")?;
    let mut state = lock(state);
    state.input = child.stdin.take();
    for line in lines {
        say(&mut state, line)?;
    }
    say(&mut state, last)?;
    Ok(child)
}

/// Hears what the process says until it ends, and starts it again.
fn follow(mut child: Child, lines: &[String], state: &Mutex<ProgramsState>) {
    loop {
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| hear(state, line));
        }
        let status = child.wait();
        let begun = {
            let mut state = lock(state);
            state.kills += 1;
            state.earlier = state.counts.after(state.earlier);
            state.counts = Counts::default();
            state.begun
        };
        let Some(begun) = begun else {
            lock(state).problem = Some(format!("ended before it began: {status:?}"));
            return;
        };
        match start(lines, state, "again") {
            Ok(next) => child = next,
            Err(error) => {
                lock(state).problem = Some(format!("{error:#}"));
                return;
            }
        }
        // It says `ready` first, and then reads this.
        let told = say(&mut lock(state), &format!("go {begun}"));
        if let Err(error) = told {
            lock(state).problem = Some(format!("{error:#}"));
        }
    }
}

fn hear(state: &Mutex<ProgramsState>, line: String) {
    let mut state = lock(state);
    if line == "ready" {
        state.ready = true;
    } else if let Some(counts) = Counts::parse(&line) {
        state.counts = counts;
    } else {
        if state.notes.len() >= NOTES {
            state.notes.pop_front();
        }
        state.notes.push_back(line);
    }
}
