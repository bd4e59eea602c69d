//! Commands of an operator don't outlive memtrace. In a process of its own: it ends all commands.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use memtrace_host::line_sink::{LineSink, end_all};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(script: String) -> LineSink {
    LineSink::start(&["sh".to_owned(), "-c".to_owned(), script]).expect("it starts")
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn they_have_their_time_and_those_that_stay_are_killed() {
    let folder = tempfile::tempdir().expect("there is room");
    let (pid, said) = (folder.path().join("pid"), folder.path().join("said"));
    let mut deaf = start(format!("echo $$ > {}; exec sleep 600", pid.display()));
    let orderly = start(format!("cat; sleep 0.5; echo bye > {}", said.display()));
    until("the pid is written", || read(&pid).ends_with('\n'));
    let process = Path::new("/proc").join(read(&pid).trim());
    // More than a pipe holds: its thread is still writing at the end.
    let stuck = thread::spawn(move || deaf.tell(&"x".repeat(1 << 20)));
    let owner = thread::spawn(move || drop(orderly));
    end_all();
    until("the process is gone", || !process.exists());
    until("the other one has had its time", || read(&said) == "bye\n");
    assert!(stuck.join().expect("no panic").is_err());
    owner.join().expect("no panic");
}
