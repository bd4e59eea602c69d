//! Child processes that are waited for: an interrupt ends them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::interrupt;
use crate::local::process::Process;

/// How often an interrupt is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How long a child may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a command to its end, with our own input and output unless told otherwise.
///
/// # Errors
/// When it can't start or the user interrupts.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| format!("run {command:?}"))?;
    wait(&mut child)
}

/// Runs a command to its end and hands over each line of its output.
///
/// # Errors
/// When it can't start or the user interrupts.
pub fn lines(command: &mut Command, mut line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("run {command:?}"))?;
    let receiver = output(&mut child)?;
    while !interrupt::asked() {
        match receiver.recv_timeout(LOOK) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    wait(&mut child)
}

/// The lines of a child's piped output, as they come; it ends with the child.
///
/// # Errors
/// When its output isn't piped, or was taken already.
pub fn output(child: &mut Child) -> Result<Receiver<String>> {
    let stdout = child.stdout.take().context("a child without output")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for bytes in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            // Read on without a receiver, so that the child never blocks on a full pipe.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    Ok(lines)
}

/// The next of a child's lines; `None`: it has ended.
///
/// # Errors
/// When there is none by the deadline, or the user interrupts.
pub fn next_line(lines: &Receiver<String>, deadline: Instant) -> Result<Option<String>> {
    loop {
        interrupt::check()?;
        // Also where other lines than the one that is waited for come all the time.
        ensure!(Instant::now() < deadline, "it isn't printed in time");
        match lines.recv_timeout(LOOK) {
            Ok(line) => return Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt::asked() {
            // Asked first: the live view then gives the terminal back as it was.
            Process::of(child.id().try_into()?).and_then(|process| process.end(PATIENCE))?;
            child.wait()?;
            interrupt::check()?;
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_status_of_a_child_arrive() {
        let mut seen = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; printf two; exit 3"]);
        let status = lines(&mut command, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_line_is_waited_for_until_the_deadline_and_the_childs_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = output(&mut child).unwrap();
        let (soon, past) = (Instant::now() + PATIENCE, Instant::now());
        assert_eq!(next_line(&lines, soon).unwrap().as_deref(), Some("one"));
        assert_eq!(next_line(&lines, past).unwrap_err().to_string(), "it isn't printed in time");
        drop(child.stdin.take());
        assert_eq!(next_line(&lines, soon).unwrap(), None);
        child.wait().unwrap();
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error() {
        assert!(status(&mut Command::new("/nonexistent")).is_err());
    }
}
