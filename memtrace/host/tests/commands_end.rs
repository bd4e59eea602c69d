//! Commands of an operator don't outlive memtrace. In a process of its own: it ends all commands.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use memtrace_host::line_sink::{LineSink, end_all};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(script: String) -> LineSink {
    LineSink::start(&["sh".to_owned(), "-c".to_owned(), script]).expect("it starts")
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

#[test]
fn they_have_their_time_and_those_that_stay_are_killed() {
    let folder = tempfile::tempdir().expect("there is room");
    let (pid, said) = (folder.path().join("pid"), folder.path().join("said"));
    let mut deaf = start(format!("echo $$ > {}; exec sleep 600", pid.display()));
    let orderly = start(format!("cat; sleep 0.5; echo bye > {}", said.display()));
    let pid = line(&pid);
    // More than a pipe holds: its thread is still writing at the end.
    let stuck = thread::spawn(move || deaf.tell(&"x".repeat(1 << 20)));
    let owner = thread::spawn(move || drop(orderly));
    end_all();
    let deadline = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < deadline, "process {pid} is there still");
        thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(line(&said), "bye");
    assert!(stuck.join().expect("no panic").is_err());
    owner.join().expect("no panic");
}
