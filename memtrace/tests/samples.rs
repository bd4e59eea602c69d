//! One memtrace that serves its samples, and others that read them, as another user too. Needs BPF
//! and root; without them each test says so and counts as skipped.

#[expect(dead_code, reason = "others run it to its end")]
mod common;
mod trials;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::text;
use serde_json::Value;
use tempfile::TempDir;
use trials::Test;

const TESTS: [(&str, Test); 4] = [
    ("another_user_sees_the_numbers_and_measures_nothing", another_user),
    ("counters_count_on_from_one_command_to_the_next", counters),
    ("a_stream_goes_on_with_the_next_memtrace", next_one),
    ("a_second_memtrace_loads_no_programs_unless_told_to", one_set),
];

/// Limit on a wait.
const DEADLINE: Duration = Duration::from_secs(60);
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    trials::run(TESTS, "samples of a running memtrace", obstacle(), None)
}

/// Why it can't run here, if it can't.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("this is another user than root".into());
    }
    memtrace_host::probe::open(Path::new("/sys"), false, memtrace_host::probe::Hooking::Always)
        .err()
        .map(|error| format!("{error:#}"))
}

/// A `memtrace exporter` that samples. It is killed when this is dropped.
struct Exporter {
    child: Child,
    /// Open to all.
    folder: TempDir,
}

impl Exporter {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let mut exporter = Self { child: Self::child(folder.path())?, folder };
        exporter.wait()?;
        Ok(exporter)
    }

    fn child(folder: &Path) -> Result<Child> {
        let metrics = format!("unix:{}", folder.join("metrics.sock").display());
        let mut command = common::memtrace(&["exporter", "--no-libvirt", "--interval", "200ms"]);
        command.args(["--listen", &metrics, "--samples"]).arg(folder.join("samples.sock"));
        Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    /// Kills it, and starts the next one in its place.
    fn replace(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = Self::child(self.folder.path())?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        until("the first sample", || {
            // It has ended, or a reader has its answer.
            let ended = self.child.try_wait().ok().flatten().is_some();
            (ended || self.top(&["--count", "1"]).is_ok()).then_some(())
        })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("samples.sock")
    }

    /// `memtrace` with the samples of this one.
    fn reader(&self, arguments: &[&str]) -> Command {
        let mut command = common::memtrace(arguments);
        command.arg("--samples").arg(self.socket());
        command
    }

    /// The last document of `memtrace top --json`.
    fn top(&self, more: &[&str]) -> Result<Value> {
        let arguments = [&["top", "--json", "--interval", "200ms"], more].concat();
        let output = succeeded(self.reader(&arguments).output()?)?;
        let last = text(&output.stdout).lines().last().context("it prints nothing")?;
        Ok(serde_json::from_str(last)?)
    }

    /// The same as another user, who may not load programs.
    fn as_nobody(&self, arguments: &[&str]) -> Result<Output> {
        // The build directory may be inaccessible to other users. A separate process copies it: a
        // child of another test would inherit a descriptor that is open for writing (ETXTBSY).
        let program = self.folder.path().join("memtrace");
        if !program.exists() {
            let copy =
                Command::new("cp").arg(env!("CARGO_BIN_EXE_memtrace")).arg(&program).status();
            ensure!(copy?.success(), "cp failed");
            fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        }
        let mut command = Command::new(program);
        command.args(arguments).arg("--samples").arg(self.socket()).current_dir("/");
        command.stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
        Ok(command.output()?)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Our own child; gone already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn succeeded(output: Output) -> Result<Output> {
    ensure!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    Ok(output)
}

fn another_user() -> Result<()> {
    let exporter = Exporter::start()?;
    let refused = exporter.as_nobody(&["top", "--once"])?;
    ensure!(!refused.status.success(), "{refused:?}");
    let told = text(&refused.stderr);
    ensure!(told.contains("members of the group "), "{told}");
    fs::set_permissions(exporter.socket(), Permissions::from_mode(0o666))?;
    let pid = exporter.child.id();
    let top = succeeded(exporter.as_nobody(&["top", "--once"])?)?;
    let whose = format!("numbers of memtrace exporter (process {pid}), since ");
    ensure!(text(&top.stdout).contains(&whose), "{}", text(&top.stdout));
    let stream = succeeded(exporter.as_nobody(&["stream", "--count", "2"])?)?;
    ensure!(text(&stream.stdout).lines().count() == 2, "{}", text(&stream.stdout));
    let check = exporter.as_nobody(&["check", "--json", "--interval", "200ms"])?;
    let check: Value = serde_json::from_slice(&check.stdout)?;
    let from = check.get("from").and_then(Value::as_str);
    ensure!(from.is_some_and(|from| from.starts_with(&whose)), "{check}");
    let metrics = check.get("metrics").and_then(Value::as_array);
    ensure!(metrics.is_some_and(|all| !all.is_empty()), "{check}");
    let get = ["zabbix", "get", "host_memory_bytes", "--interval", "200ms"];
    let memory = succeeded(exporter.as_nobody(&get)?)?;
    ensure!(text(&memory.stdout).trim().parse::<u64>()? > 0, "{memory:?}");
    Ok(())
}

fn counters() -> Result<()> {
    let exporter = Exporter::start()?;
    let path = exporter.folder.path().join("m.prom");
    let path_text = path.to_str().context("it is text")?;
    let arguments = ["metrics", "--interval", "200ms", "--textfile", path_text];
    succeeded(exporter.reader(&arguments).output()?)?;
    let page = fs::read_to_string(&path)?;
    // Left out of a textfile where it begins at 0.
    ensure!(page.contains("\nmemtrace_lost_total{"), "{page}");
    Ok(())
}

fn next_one() -> Result<()> {
    let mut exporter = Exporter::start()?;
    let mut stream = exporter.reader(&["stream", "--interval", "200ms"]).spawn()?;
    let lines = BufReader::new(stream.stdout.take().context("its output")?).lines();
    let (tell, told) = channel();
    let reading =
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let shows = |pid: u32| {
        let whose = format!("numbers of memtrace exporter (process {pid}), since ");
        until("a line of the one that serves", || {
            told.recv_timeout(DEADLINE).ok().filter(|line| line.contains(&whose))
        })
    };
    shows(exporter.child.id())?;
    exporter.replace()?;
    let line: Value = serde_json::from_str(&shows(exporter.child.id())?)?;
    // Not over the time since the one before, whose counters were others.
    let interval = line.get("interval").and_then(Value::as_u64).context("it has rates")?;
    ensure!(interval < 1_000_000_000, "over {interval} ns");
    stream.kill()?;
    let said = stream.wait_with_output()?;
    ensure!(text(&said.stderr).contains("; waiting for the next one"), "{}", text(&said.stderr));
    // Its receiver is there until now.
    ensure!(reading.join().is_ok(), "the reader panicked");
    Ok(())
}

fn one_set() -> Result<()> {
    let exporter = Exporter::start()?;
    let own = programs(exporter.child.id());
    ensure!(own > 0, "the exporter has no programs");
    let stream = ["stream", "--interval", "200ms"];
    let reads = running(exporter.reader(&stream))?;
    ensure!(reads == 0, "{reads} programs of one that reads");
    let measures =
        running(common::memtrace(&[&stream[..], &["--attach", "--no-libvirt"]].concat()))?;
    ensure!(measures > 0, "no programs of one that measures");
    Ok(())
}

/// How many programs it has once it has printed a line.
fn running(mut command: Command) -> Result<usize> {
    let mut child = command.spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
    let found = programs(child.id());
    child.kill()?;
    child.wait()?;
    ensure!(!line.is_empty(), "it printed nothing");
    Ok(found)
}

/// Programs and links that a process holds open.
fn programs(pid: u32) -> usize {
    let all = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = all.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|to| to.to_string_lossy().starts_with("anon_inode:bpf")).count()
}

fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}
