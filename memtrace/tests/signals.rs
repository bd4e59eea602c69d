//! Signals to the built program, at its start and while it waits. Needs no privileges.

use std::io::{PipeReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Whether a process catches a signal (a bit of its mask, from the first on).
fn catches(pid: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it takes too long");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_hangup_while_it_starts_does_not_end_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    // It waits for the configuration, as on a slow disk.
    command.args(["mitigate", "--config", "/dev/stdin"]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("memtrace starts");
    wait_for(|| catches(child.id(), Signal::HUP));
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it is there");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"intervall = 1\n").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("intervall"), "{output:?}");
}

const RECORDING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/store/src/recording/tests/kept/v3.mtrec");

/// A report of a recording, written to a pipe that is full and has no reader. A shell starts it,
/// after `before`.
fn stuck(before: &str) -> (Child, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // No smaller than a page, whatever its size.
    let size = rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("it can be small");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{before}\nexec \"$0\" report \"$1\" -o -")]);
    command.args([env!("CARGO_BIN_EXE_memtrace"), RECORDING]).stdout(writer);
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_for(|| rustix::io::ioctl_fionread(&reader).is_ok_and(|bytes| bytes >= size as u64));
    (child, reader)
}

#[test]
fn a_second_signal_ends_it_whatever_it_waits_for() {
    for signals in [[Signal::INT, Signal::TERM], [Signal::TERM, Signal::INT]] {
        let (mut child, reader) = stuck("");
        let [first, second] = signals;
        kill_process(Pid::from_child(&child), first).expect("it is there");
        assert_eq!(child.try_wait().expect("a child"), None, "the first one is noted");
        // Right after the first one it counts as the same.
        wait_for(|| {
            let ended = child.try_wait().expect("a child").is_some();
            ended || kill_process(Pid::from_child(&child), second).is_err()
        });
        let status = child.wait().expect("it has ended");
        // The first one alone would have ended it with its own code.
        assert_eq!(status.code(), Some(128 + second.as_raw()), "{status}");
        drop(reader);
    }
}

#[test]
fn what_it_was_started_to_ignore_stays_ignored() {
    let (mut child, reader) = stuck("trap '' HUP");
    assert!(catches(child.id(), Signal::INT) && !catches(child.id(), Signal::HUP));
    drop(reader);
    wait_for(|| child.try_wait().expect("a child").is_some());
}
