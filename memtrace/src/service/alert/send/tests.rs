//! Receivers that listen, refuse, fail at first, or never answer; commands that end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use memtrace_core::alert::{Condition, Finding};
use memtrace_core::format::several;
use memtrace_core::reactor::entry::Named;
use memtrace_core::sample::VmId;
use memtrace_core::units::WallNanos;

const PATIENCE: Duration = Duration::from_secs(20);

impl Senders {
    fn problems(&self) -> Vec<String> {
        self.outboxes.iter().filter_map(Outbox::problem).collect()
    }
}

impl Outbox {
    fn problem(&self) -> Option<String> {
        let problem = self.status.lock().clone();
        let lost = self.status.lost.load(Ordering::Relaxed);
        let lost = (lost > 0).then(|| format!("{} lost", several(lost, "alert")));
        let parts: Vec<String> = problem.into_iter().chain(lost).collect();
        (!parts.is_empty()).then(|| format!("{}: {}", self.name, parts.join("; ")))
    }
}

fn alert(state: AlertState) -> Alert {
    Alert {
        condition: Condition::VmStalled,
        severity: Severity::Warning,
        state,
        since: WallNanos(1_800_000_000_000_000_000),
        at: WallNanos(1_800_000_060_000_000_000),
        host: Some("hyper-1".to_owned()),
        vm: Some(Named {
            vm: VmId::Process { pid: 7, start: 9 },
            name: "web".to_owned(),
            labels: Default::default(),
        }),
        finding: Finding::Measured { value: 30.0, limit: 10.0 },
    }
}

/// A receiver that answers each request with the next of `statuses`, and hands over bodies.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let (send, bodies) = channel();
    thread::spawn(move || {
        for (stream, status) in listener.incoming().map_while(Result::ok).zip(statuses) {
            let _ = send.send(answer(stream, *status));
        }
    });
    (url, bodies)
}

fn answer(stream: TcpStream, status: u16) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(head.as_bytes()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn senders(webhook: Webhook) -> Senders {
    let mut senders = Senders::default();
    senders.add("webhook", move |queue, status| webhook.run(&queue, &status)).unwrap();
    senders
}

/// Tries twice, without a wait between.
fn quick(url: &str) -> Webhook {
    let mut webhook = Webhook::generic(url, None);
    webhook.waits = vec![Duration::ZERO];
    webhook
}

fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < deadline);
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_webhook_gets_what_begins_and_what_ends() {
    let (url, bodies) = receiver(&[200, 200]);
    let senders = senders(Webhook::generic(&url, None));
    senders.send(&alert(AlertState::Firing));
    let body = bodies.recv_timeout(PATIENCE).unwrap();
    let expected = json!({
        "alert": "vm_stalled", "state": "firing", "severity": "warning", "host": "hyper-1",
        "vm": "web", "vm_id": "7@9", "text": "the stall time of web is 30.0 %, over 10 %",
        "since": "2027-01-15T08:00:00Z", "at": "2027-01-15T08:01:00Z", "vm_labels": null,
    });
    assert_eq!(body, expected);
    senders.send(&alert(AlertState::Resolved));
    assert_eq!(bodies.recv_timeout(PATIENCE).unwrap()["state"], "resolved");
    assert_eq!(senders.problems(), [""; 0]);
}

#[test]
fn alertmanager_gets_its_own_format() {
    let (url, bodies) = receiver(&[200, 200]);
    let senders = senders(Webhook::alertmanager(&url, None));
    senders.send(&alert(AlertState::Firing));
    let labels = json!({
        "alertname": "vm_stalled", "severity": "warning", "instance": "hyper-1", "vm": "web",
        "vm_id": "7@9",
    });
    let firing = json!([{
        "labels": labels, "annotations": { "summary": "the stall time of web is 30.0 %, over 10 %" },
        "startsAt": "2027-01-15T08:00:00Z",
    }]);
    assert_eq!(bodies.recv_timeout(PATIENCE).unwrap(), firing);
    senders.send(&alert(AlertState::Resolved));
    let resolved = bodies.recv_timeout(PATIENCE).unwrap();
    assert_eq!(resolved[0]["endsAt"], "2027-01-15T08:01:00Z");
    assert_eq!(resolved[0]["labels"], labels);
}

#[test]
fn a_receiver_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let (url, bodies) = receiver(&[500, 200]);
    let trying = senders(quick(&url));
    trying.send(&alert(AlertState::Firing));
    for _ in 0..2 {
        bodies.recv_timeout(PATIENCE).unwrap();
    }
    let (url, bodies) = receiver(&[404, 200]);
    let refused = senders(quick(&url));
    refused.send(&alert(AlertState::Firing));
    bodies.recv_timeout(PATIENCE).unwrap();
    let problems = wait_for(|| Some(refused.problems()).filter(|problems| !problems.is_empty()));
    assert!(problems[0].contains("404") && problems[0].contains("1 alert lost"), "{problems:?}");
    assert_eq!(trying.problems(), [""; 0]);
}

#[test]
fn a_receiver_that_never_answers_does_not_block() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let senders = senders(Webhook::generic(&url, None));
    let begun = Instant::now();
    for _ in 0..QUEUE + 10 {
        senders.send(&alert(AlertState::Firing));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(senders.problems()[0].contains("alerts lost"), "{:?}", senders.problems());
}

#[test]
fn a_command_is_fed_lines_and_its_end_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("told");
    let script = format!("read line; echo \"$line\" > {}; exit 0", file.display());
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let config = SendConfig { log: false, command, ..SendConfig::default() };
    let senders = Senders::start(&config).unwrap();
    senders.send(&alert(AlertState::Firing));
    let line = wait_for(|| std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')));
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["alert"], "vm_stalled");
    let problems = wait_for(|| {
        senders.send(&alert(AlertState::Resolved));
        Some(senders.problems()).filter(|problems| !problems.is_empty())
    });
    assert!(problems[0].starts_with("command: sh -c"), "{problems:?}");
    let command = vec!["/nowhere/helper".to_owned()];
    let error = Senders::start(&SendConfig { command, ..config }).unwrap_err();
    assert!(error.is::<Misconfigured>(), "systemd need not start it again: {error:?}");
    assert!(
        format!("{error:#}").starts_with("alert.command: cannot start /nowhere/helper: "),
        "{error:#}"
    );
}

#[test]
fn the_log_has_an_alerts_end_as_well_without_being_asked() {
    let written = crate::sys::logging::tests::written(0, || {
        log(&alert(AlertState::Firing));
        log(&alert(AlertState::Resolved));
    });
    let (begin, end) = written.split_once('\n').expect("two lines");
    assert!(
        begin.ends_with("alert: vm_stalled: the stall time of web is 30.0 %, over 10 %"),
        "{begin}"
    );
    assert!(
        end.ends_with("resolved: vm_stalled: the stall time of web is 30.0 %, within 10 % again\n"),
        "{end}"
    );
}
