//! `memtrace selftest` on the running kernel: its findings, and that it leaves nothing behind,
//! however it ends. Needs BPF, swap and a memory cgroup; without them each test says so and
//! counts as skipped.

mod trials;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use trials::Test;

const TESTS: [(&str, Test); 3] = [
    ("on_this_host_no_number_is_wrong", no_number_is_wrong),
    ("an_interrupted_run_leaves_nothing", interrupted),
    ("what_a_killed_run_leaves_goes_with_the_next", killed),
];

/// Limit on a run.
const DEADLINE: Duration = Duration::from_secs(90);
const ACCOUNTING: &str = "/proc/sys/kernel/task_delayacct";

fn main() -> ExitCode {
    // Two at a time are refused.
    trials::run(TESTS, "the self-test", obstacle(), Some(1))
}

/// Why it can't run here, if it can't.
fn obstacle() -> Option<String> {
    if let Err(error) =
        memtrace_host::probe::open(Path::new("/sys"), false, memtrace_host::probe::Hooking::Always)
    {
        return Some(format!("{error:#}"));
    }
    // The environment that sets up the cgroup for the tests sets up swap as well, and undoes
    // both.
    if std::env::var_os("MEMTRACE_TEST_POOL").is_none() {
        return Some(
            "no swap to test with (MEMTRACE_TEST_POOL; cargo xtask test sets it up)".into(),
        );
    }
    None
}

fn memtrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(["selftest", "--json"]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn no_number_is_wrong() -> Result<()> {
    let before = accounting();
    let output = memtrace().output().context("run memtrace")?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}: {told}", output.status);
    let document: Value = serde_json::from_slice(&output.stdout).context(told)?;
    let verdict = document.get("verdict").and_then(Value::as_str);
    let expected = if output.status.success() { "exact" } else { "degraded" };
    ensure!(verdict == Some(expected), "{}: {document}", output.status);
    let rows = document.get("rows").and_then(Value::as_array).context("no rows")?;
    let of = |subject: &str| -> BTreeSet<&str> {
        let named = |row: &&Value| row.get("subject").and_then(Value::as_str) == Some(subject);
        rows.iter().filter(named).filter_map(|row| row.get("signal")?.as_str()).collect()
    };
    for signal in ["swap_in", "swap_out", "major_faults", "memcg_reclaim", "flows", "refaults"] {
        ensure!(of("guest").contains(signal), "no row for {signal}: {document:#}");
    }
    for signal in ["swap_out", "flows"] {
        ensure!(of("bystander").contains(signal), "no row for the bystander's {signal}");
    }
    let swapped = rows.iter().filter(|row| row.get("signal") == Some(&"swap_in".into()));
    let pages: f64 = swapped.filter_map(|row| row.get("memtrace")?.as_f64()).sum();
    ensure!(pages > 1000.0, "only {pages} pages came back from swap");
    ensure!(accounting() == before, "{ACCOUNTING} is {:?} now", accounting());
    Ok(())
}

fn interrupted() -> Result<()> {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let before = accounting();
        let mut run = Running::start()?;
        ensure!(accounting().is_none_or(|value| value == "1"), "delays aren't accounted");
        run.send(signal)?;
        let status = until("its end", || run.child.try_wait().ok().flatten())?;
        ensure!(status.code() == Some(code), "{signal:?}: {status}");
        let mut output = String::new();
        run.child.stdout.take().context("its output")?.read_to_string(&mut output)?;
        ensure!(output.is_empty(), "{signal:?}: a report of half a run: {output}");
        ensure!(run.living().is_empty(), "{signal:?}: {:?} live on", run.living());
        ensure!(!run.cgroup.exists(), "{signal:?}: {} stays", run.cgroup.display());
        ensure!(accounting() == before, "{signal:?}: {ACCOUNTING} is {:?}", accounting());
    }
    Ok(())
}

fn killed() -> Result<()> {
    let before = accounting();
    let mut first = Running::start()?;
    first.send(Signal::KILL)?;
    first.child.wait()?;
    until("the guests' end", || first.living().is_empty().then_some(()))?;
    ensure!(first.cgroup.exists(), "the killed process cannot have removed it");
    let mut second = Running::start()?;
    ensure!(!first.cgroup.exists(), "{} stays", first.cgroup.display());
    second.send(Signal::INT)?;
    second.child.wait()?;
    // The setting before is unknown to the second run.
    before.map_or(Ok(()), |value| fs::write(ACCOUNTING, value)).context(ACCOUNTING)
}

/// A self-test in the middle of its run. It is killed when this is dropped.
struct Running {
    child: Child,
    /// The processes that it started, with their start times.
    guests: Vec<(u32, String)>,
    cgroup: PathBuf,
    /// Kept open: it reports more lines.
    _stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Starts one and waits until its guest walks.
    fn start() -> Result<Self> {
        let mut child = memtrace().spawn().context("run memtrace")?;
        let mut stderr = BufReader::new(child.stderr.take().context("its messages")?);
        let mut told = String::new();
        while !told.contains("running the guest") {
            ensure!(stderr.read_line(&mut told)? > 0, "it ended: {told}");
        }
        let guests = children(child.id());
        ensure!(guests.len() == 2, "it started {guests:?}");
        let name = format!("memtrace-selftest-{}", child.id());
        let cgroup = find(Path::new("/sys/fs/cgroup"), &name, 6).context("it has no cgroup")?;
        Ok(Self { child, guests, cgroup, _stderr: stderr })
    }

    fn send(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().try_into()?).context("its process id")?;
        kill_process(pid, signal).context("send a signal")
    }

    /// Its guests that are still alive.
    fn living(&self) -> Vec<u32> {
        let lives = |(pid, start): &&(u32, String)| {
            stat(*pid).is_some_and(|fields| fields.get(19) == Some(start) && fields[0] != "Z")
        };
        self.guests.iter().filter(lives).map(|(pid, _)| *pid).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Our own child; gone already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that this one started, with their start times.
fn children(parent: u32) -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let fields = stat(pid)?;
        (fields.get(1)? == &parent.to_string()).then(|| Some((pid, fields.get(19)?.clone())))?
    })
    .collect()
}

/// The fields of /proc/PID/stat behind the command: the state, the parent, ...
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned);
    Some(fields.collect())
}

/// A directory of this name, at most this deep.
fn find(within: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    let direct = within.join(name);
    if direct.is_dir() {
        return Some(direct);
    }
    let entries = fs::read_dir(within).ok()?.flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let deeper = depth.checked_sub(1)?;
    directories.into_iter().find_map(|entry| find(&entry.path(), name, deeper))
}

/// `None`: this kernel has no such setting.
fn accounting() -> Option<String> {
    fs::read_to_string(ACCOUNTING).ok().map(|value| value.trim().to_owned())
}

fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
