//! SIGHUP during the start of the built program. Needs no privileges.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Whether a process catches SIGHUP (bit 0 of its mask).
fn catches_hangup(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_hangup_while_it_starts_does_not_end_it() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    // It waits for the configuration, as on a slow disk.
    command.args(["mitigate", "--config", "/dev/stdin"]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("memtrace starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !catches_hangup(child.id()) && Instant::now() < deadline {
        thread::park_timeout(Duration::from_millis(5));
    }
    let caught = catches_hangup(child.id());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("it is there");
    if !caught {
        child.wait().expect("it has ended");
        panic!("it does not catch SIGHUP before the configuration is read");
    }
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"intervall = 1\n").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("intervall"), "{output:?}");
}
