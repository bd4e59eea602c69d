//! Asked for over the loopback.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use clap::Parser;

use super::*;
use crate::command::fleet::args::FleetArguments;
use crate::command::fleet::ask_all;
use crate::command::fleet::query::Query;
use crate::command::fleet::watch;
use crate::command::{Arguments, Command};
use crate::prometheus::Prometheus;

/// Answers so many requests, each by what `answer` makes of its first line; `None` never
/// answers.
fn server(answer: impl Fn(&str) -> Option<(u16, String)> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut first = String::new();
            let _ = reader.read_line(&mut first);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            if let Some((status, body)) = answer(&first) {
                let mut head = String::new();
                let length = body.len();
                let _ = write!(head, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n");
                let text = format!("{head}connection: close\r\n\r\n{body}");
                let _ = reader.get_mut().write_all(text.as_bytes());
            } else {
                open.push(reader);
            }
        }
    });
    url
}

const ALL: [Query; 4] = [Query::Hosts, Query::Seen, Query::Up, Query::Sufferers];

/// Which question is meant by a request's first line.
fn asked(line: &str) -> Query {
    match line {
        line if line.contains("topk") => Query::Sufferers,
        line if line.contains("query=up") => Query::Up,
        line if line.contains("last_over_time") => Query::Seen,
        _ => Query::Hosts,
    }
}

fn typed(url: &str, words: &[&str]) -> FleetArguments {
    let all = ["memtrace", "fleet", "--prometheus", url].into_iter().chain(words.iter().copied());
    match Arguments::try_parse_from(all).expect("it is understood").command {
        Some(Command::Fleet(arguments)) => arguments,
        other => panic!("not fleet: {other:?}"),
    }
}

fn prometheus(url: &str) -> Prometheus {
    Prometheus::new(url.parse().expect("it is an address"), None, Duration::from_secs(20))
}

fn failure(prometheus: &Prometheus) -> String {
    format!("{:#}", ask_all(prometheus).expect_err("it fails"))
}

#[tokio::test]
async fn four_questions_make_a_frame() {
    let (send, lines) = std::sync::mpsc::channel();
    let url = server(move |line| {
        let _ = send.send(line.to_owned());
        let series = match asked(line) {
            Query::Hosts => [told("a"), told("b")].concat(),
            Query::Sufferers => vec![stalls("a", "web", 0.3)],
            Query::Seen | Query::Up => vec![of_target("a", 1.0)],
        };
        Some((200, body(&series)))
    });
    let mut texts = Vec::new();
    let arguments = typed(&url, &["-n", "2", "--plain", "--interval", "0.1"]);
    let printed = watch::frames(prometheus(&url), &arguments, |text| {
        texts.push(text.to_owned());
        Ok(())
    });
    tokio::time::timeout(Duration::from_secs(20), printed).await.expect("in time").expect("well");
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("2 hosts") && texts[0].contains("web 30%"), "{}", texts[0]);
    let lines: Vec<String> = lines.try_iter().collect();
    assert_eq!(lines.len(), 2 * ALL.len());
    for query in ALL {
        assert_eq!(lines.iter().filter(|line| asked(line) == query).count(), 2, "{query:?}");
    }
    assert!(lines[0].starts_with("GET /api/v1/query?query="), "{}", lines[0]);
}

#[test]
fn the_reason_for_a_missing_answer_is_reported() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let error = failure(&prometheus(&format!("http://{closed}")));
    assert!(error.contains("cannot query Prometheus at http://127.0.0.1:"), "{error}");
    assert!(error.contains("refused"), "{error}");
    let page = server(|_| Some((404, "<html>not here</html>".to_owned())));
    let error = failure(&prometheus(&page));
    assert!(error.ends_with("HTTP 404 Not Found; is this Prometheus?"), "{error}");
    let page = server(|_| Some((200, "<html>grafana</html>".to_owned())));
    let error = failure(&prometheus(&page));
    assert!(error.contains("not an answer of Prometheus' HTTP API"), "{error}");
    let bad = r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
    let refusing = server(|_| Some((503, bad.to_owned())));
    let error = failure(&prometheus(&refusing));
    assert!(error.ends_with("Prometheus refused: query timed out"), "{error}");
    let large = server(|_| Some((200, body(&told("a")))));
    let mut bounded = prometheus(&large);
    bounded.limits.largest = 1000;
    let error = failure(&bounded);
    assert!(error.ends_with("the answer exceeds 1000 bytes"), "{error}");
    let silent = server(|_| None);
    let patience = Duration::from_millis(100);
    let silent = Prometheus::new(silent.parse().expect("it is an address"), None, patience);
    assert!(failure(&silent).ends_with("no answer within 0.1 s"));
}

#[test]
fn a_question_that_fails_costs_its_answer_alone() {
    let url = server(|line| match asked(line) {
        Query::Sufferers => Some((500, "oops".to_owned())),
        Query::Hosts => Some((200, body(&told("a")))),
        Query::Seen | Query::Up => Some((200, body(&[]))),
    });
    let fleet = Fleet::of(ask_all(&prometheus(&url)).expect("hosts are told"));
    assert_eq!(fleet.hosts.len(), 1);
    assert!(fleet.notices[0].starts_with("unknown: stalled VMs: "), "{:?}", fleet.notices);
}
