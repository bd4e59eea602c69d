//! The program as memtrace starts it: what it has, and when it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use memtrace_host::protocol::{Answer, Ask, Request, Said, VERSION};

const PROGRAM: &str = env!("CARGO_BIN_EXE_memtrace-libvirt");
const KILLED: i32 = 9;

#[test]
fn it_has_no_descriptor_but_its_own_and_ends_with_its_socket() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_read_timeout(Some(Duration::from_secs(60))).expect("it has a limit");
    let mut command = Command::new("/bin/sh");
    // As a careless program starts memtrace.
    command.args(["-c", "exec 9< /dev/null; exec \"$0\" \"$1\"", PROGRAM, VERSION]);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    drop(command);
    (&ours).write_all(&Request { id: 1, daemon: 5, ask: Ask::Close }.line()).expect("sent");
    let mut line = String::new();
    BufReader::new(&ours).read_line(&mut line).expect("it answers");
    assert_eq!(Answer::parse(line.as_bytes()), Ok(Answer { id: 1, said: Said::Done }));
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("it runs");
    let open: Vec<_> = open.flatten().map(|entry| entry.file_name()).collect();
    assert!(open.iter().any(|name| name == "0"), "{open:?}");
    assert!(open.iter().all(|name| name != "9"), "{open:?}");
    let score = fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id()));
    assert_eq!(score.expect("it runs").trim(), "0");
    drop(ours);
    assert_eq!(child.wait().expect("it ends").signal(), Some(KILLED));
}

#[test]
fn by_hand_it_says_what_it_is() {
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    assert!(run(&["--version"]).1.starts_with("memtrace-libvirt "));
    assert_eq!(run(&[]).0, Some(2));
    let (code, text) = run(&["0"]);
    assert_eq!((code, text.contains("speaks protocol")), (Some(2), true));
    // There is nobody at the other end.
    assert_eq!(run(&[VERSION]).0, Some(1));
}
