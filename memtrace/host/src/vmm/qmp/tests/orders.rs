//! Balloon commands to monitors that obey, hang, refuse, or die in mid-command.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::vmm::order::{Reply, SetBalloon};
use crate::vmm::qmp::fake::{ACTUAL, obedient};

const TO: u64 = 100 << 20;
const PATIENCE: Duration = Duration::from_secs(20);
const GREETING: &[u8] = b"{\"QMP\":{}}\n";

type Answers = Receiver<Result<(), String>>;

fn send(clients: &QmpClients, pid: u32) -> Answers {
    let (answer, answers) = channel();
    let reply = Reply::new(move |result| {
        // The test may be over.
        let _ = answer.send(result);
    });
    clients.orders().send(pid, SetBalloon { to: Bytes(TO), reply });
    answers
}

fn error_of(serve: impl Fn(std::os::unix::net::UnixStream) + Send + 'static) -> String {
    let monitor = Monitor::serial(serve);
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    send(&clients, 1).recv_timeout(PATIENCE).unwrap().unwrap_err()
}

#[test]
fn a_command_goes_out_between_two_rounds_and_is_watched() {
    let actual = Arc::new(AtomicU64::new(ACTUAL));
    let monitor = Monitor::serial(obedient(&actual));
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    wait_for(&clients, 1, |answer| answer.guest.stats.is_some());
    let begun = Instant::now();
    assert_eq!(send(&clients, 1).recv_timeout(PATIENCE), Ok(Ok(())));
    assert_eq!(actual.load(Ordering::Relaxed), TO);
    wait_for(&clients, 1, |answer| answer.guest.actual == Some(Bytes(TO)));
    assert!(begun.elapsed() < PERIOD, "it waited for the next round: {:?}", begun.elapsed());
}

#[test]
fn a_command_does_not_wait_for_a_question_that_hangs() {
    let actual = Arc::new(AtomicU64::new(ACTUAL));
    let (obeys, connections) = (obedient(&actual), AtomicU64::new(0));
    let (hung, hangs) = channel();
    let monitor = Monitor::start(move |stream| {
        if connections.fetch_add(1, Ordering::Relaxed) > 0 {
            return obeys(stream);
        }
        let mut writer = stream.try_clone().unwrap();
        let _ = writer.write_all(GREETING);
        let mut lines = BufReader::new(stream).lines();
        lines.next();
        let _ = hung.send(());
        // Until the client gives up.
        let _ = lines.count();
    });
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    hangs.recv_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    assert_eq!(send(&clients, 1).recv_timeout(PATIENCE), Ok(Ok(())));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_monitor_that_hangs_delays_no_other() {
    let silent = Monitor::serial(|stream| {
        let _ = BufReader::new(stream).lines().count();
    });
    let actual = Arc::new(AtomicU64::new(ACTUAL));
    let good = Monitor::serial(obedient(&actual));
    let mut clients = QmpClients::default();
    clients.follow(1, silent.target());
    clients.follow(2, good.target());
    let begun = Instant::now();
    let late = send(&clients, 1);
    assert_eq!(send(&clients, 2).recv_timeout(PATIENCE), Ok(Ok(())));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let error = late.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error, "QMP: no greeting; another client holds the socket within 2 s");
}

#[test]
fn a_refusal_has_the_monitors_message() {
    let refusing = |class: &'static str| {
        error_of(move |stream| {
            let mut writer = stream.try_clone().unwrap();
            let _ = writer.write_all(GREETING);
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let answer = if line.contains("qmp_capabilities") {
                    r#"{"return":{}}"#.to_owned()
                } else {
                    format!(r#"{{"error":{{"class":"{class}","desc":"No \u001b[2J way"}}}}"#)
                };
                let _ = writeln!(writer, "{answer}");
            }
        })
    };
    assert_eq!(refusing("GenericError"), "QMP: refused: No \u{fffd}[2J way");
    assert_eq!(refusing("DeviceNotActive"), "QMP: the VM has no balloon device");
}

#[test]
fn a_monitor_that_dies_in_mid_command_leaves_it_open_what_came_of_it() {
    let error = error_of(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let _ = writer.write_all(GREETING);
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.contains("\"balloon\"") {
                return;
            }
            let _ = writer.write_all(b"{\"return\":{}}\n");
        }
    });
    assert_eq!(error, "QMP: sent; outcome unknown: monitor closed the connection");
}

#[test]
fn a_vm_that_is_forgotten_answers_still() {
    let silent = Monitor::serial(|stream| {
        let _ = BufReader::new(stream).lines().count();
    });
    let mut clients = QmpClients::default();
    clients.follow(1, silent.target());
    let answers = send(&clients, 1);
    clients.forget(1);
    assert!(answers.recv_timeout(PATIENCE).unwrap().unwrap_err().contains("cancelled"));
    let error = send(&clients, 1).recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error, "QMP: no client for this VM");
}

#[test]
fn a_second_command_waits_and_a_third_is_refused() {
    let silent = Monitor::serial(|stream| {
        let _ = BufReader::new(stream).lines().count();
    });
    let mut clients = QmpClients::default();
    clients.follow(1, silent.target());
    let waiting: Vec<Answers> = (0..3).map(|_| send(&clients, 1)).collect();
    let answers = waiting.iter().map(|answers| answers.recv_timeout(PATIENCE).unwrap());
    let full = "QMP: the previous command is still in progress";
    assert!(answers.filter_map(Result::err).any(|error| error == full));
}
