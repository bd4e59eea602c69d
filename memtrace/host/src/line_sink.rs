//! A command that reads lines from its standard input. It is started early, because a fork under
//! pressure may be slow or fail, and outside of memtrace's service, if it is one. Writes block, so
//! callers use a thread.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::transient;

/// Minimum time between two starts of the command.
const AGAIN: Duration = Duration::from_secs(60);
/// It has so long to end once its input is closed.
const GRACE: Duration = Duration::from_secs(2);
/// What it gets of memtrace's environment: nothing that was meant for memtrace alone.
const KEPT: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// The process groups of commands that run. Threads own the commands, and the end of the process
/// doesn't wait for threads.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
/// How often the end looks whether they are gone.
const LOOK: Duration = Duration::from_millis(5);

/// At the end of memtrace, once their owners are told to stop: waits until all commands have ended
/// or had their time, and kills those that are left, which are those that don't read.
pub fn end_all() {
    let deadline = Instant::now() + GRACE + GRACE / 4;
    while !running(|groups| groups.is_empty()) {
        if Instant::now() >= deadline {
            let left = running(std::mem::take);
            for group in left {
                let _ = kill_process_group(group, Signal::KILL);
            }
            return;
        }
        thread::park_timeout(LOOK);
    }
}

fn running<T>(of: impl FnOnce(&mut Vec<Pid>) -> T) -> T {
    of(&mut RUNNING.lock().unwrap_or_else(PoisonError::into_inner))
}

#[derive(Debug)]
pub struct LineSink {
    arguments: Vec<String>,
    running: Option<Running>,
    started: Instant,
}

/// The command, as the leader of a process group of its own.
#[derive(Debug)]
struct Running {
    input: Option<ChildStdin>,
    group: Option<Pid>,
    /// Tells when it has ended and was waited for.
    ended: Receiver<()>,
}

impl LineSink {
    /// Starts the command: a program and its arguments.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(arguments: &[String]) -> io::Result<Self> {
        let running = Some(spawn(arguments)?);
        Ok(Self { arguments: arguments.to_vec(), running, started: Instant::now() })
    }

    /// Writes a line; restarts the command if it has exited.
    ///
    /// # Errors
    /// A message for the operator, when the command has exited and it is too early to restart it,
    /// or when the write fails.
    pub fn tell(&mut self, line: &str) -> Result<(), String> {
        let text = format!("{line}\n");
        let told = self.write(&text).or_else(|error| {
            if self.started.elapsed() < AGAIN {
                return Err(error);
            }
            self.started = Instant::now();
            self.running = Some(spawn(&self.arguments)?);
            self.write(&text)
        });
        told.map_err(|error| format!("{}: {error}", self.arguments.join(" ")))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let input = self.running.as_mut().and_then(|running| running.input.as_mut());
        let input = input.ok_or_else(|| io::Error::other("the command has exited"))?;
        let written = input.write_all(text.as_bytes());
        if written.is_err() {
            self.running = None;
        }
        written
    }
}

impl Drop for Running {
    /// Closes its input, which ends most; the others, and what they started, are killed.
    fn drop(&mut self) {
        drop(self.input.take());
        let is_over = self.ended.recv_timeout(GRACE).is_ok();
        if let Some(group) = self.group.filter(|_| !is_over) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        running(|groups| groups.retain(|group| Some(*group) != self.group));
    }
}

fn spawn(arguments: &[String]) -> io::Result<Running> {
    let (program, rest) = arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let kept = || KEPT.iter().filter_map(|&name| Some((name, std::env::var_os(name)?)));
    let mut command = if let Some(service) = transient::service() {
        // systemd would say so in the journal alone.
        if program.contains('/') {
            std::fs::metadata(program)?;
        }
        transient::command(&service, arguments, kept())
    } else {
        let mut command = Command::new(program);
        command.args(rest);
        command
    };
    let mut child = command
        .env_clear()
        .envs(kept())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // memtrace may be protected from the OOM killer; what an operator's command uses is not. It may
    // have ended already.
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), "0");
    let input = child.stdin.take();
    running(|groups| groups.extend(group));
    Ok(Running { input, group, ended: wait_for(child)? })
}

/// Waits on a thread, so that it is no zombie when it ends by itself.
fn wait_for(mut child: Child) -> io::Result<Receiver<()>> {
    let (tell, ended) = channel();
    let wait = move || {
        let _ = child.wait();
        let _ = tell.send(());
    };
    thread::Builder::new().name("command".to_owned()).spawn(wait)?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    /// What a file has once it has a whole line.
    fn line(path: &Path) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text.trim_end().to_owned(),
                _ => assert!(Instant::now() < deadline, "{} is not written", path.display()),
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn ends(pid: &str) {
        let deadline = Instant::now() + PATIENCE;
        while Path::new(&format!("/proc/{pid}")).exists() {
            assert!(Instant::now() < deadline, "process {pid} is there still");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_command_that_ends_by_itself_leaves_no_zombie() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("pid");
        let script = format!("echo $$ > {}", path.display());
        let _sink = LineSink::start(&shell(&script)).expect("it starts");
        ends(&line(&path));
    }

    #[test]
    fn one_that_does_not_end_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().expect("there is room");
        let (own, child) = (directory.path().join("own"), directory.path().join("child"));
        let script = format!(
            "sleep 600 & echo $! > {}; echo $$ > {}; exec sleep 600",
            child.display(),
            own.display()
        );
        let sink = LineSink::start(&shell(&script)).expect("it starts");
        let (own, child) = (line(&own), line(&child));
        drop(sink);
        ends(&own);
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        // Who waits for an orphan is not memtrace's business.
        while !state().is_empty() && !state().contains(") Z ") {
            assert!(Instant::now() < deadline, "{}", state());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    #[test]
    fn its_environment_and_its_oom_score_are_those_of_an_ordinary_process() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("told");
        let script = format!(
            "read line; echo \"${{CARGO_MANIFEST_DIR-none}} ${{PATH:+path}} $(cat \
             /proc/$$/oom_score_adj)\" > {}",
            path.display()
        );
        let mut sink = LineSink::start(&shell(&script)).expect("it starts");
        sink.tell("go").expect("it reads");
        assert_eq!(line(&path), "none path 0");
    }
}
