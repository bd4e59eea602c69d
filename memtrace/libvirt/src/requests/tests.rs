//! The whole conversation over a socket pair, with the domain of libvirt's own mock driver.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use memtrace_host::protocol::{Answer, LONGEST_LINE, Look, SYSTEM};
use uuid::Uuid;

use super::*;

/// Its one domain.
const DOMAIN: Uuid = Uuid::from_u128(0x6695eb01_f6a4_8304_79aa_97f2502e193f);
const PATIENCE: Duration = Duration::from_secs(20);

struct Talk {
    answers: BufReader<UnixStream>,
    requests: UnixStream,
    served: JoinHandle<io::Result<()>>,
    asked: u64,
}

impl Talk {
    fn new() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let channel = Arc::new(Channel::new(theirs.into()));
        let requests = Requests::of(channel, Daemons::with_system("test:///default"));
        let served = thread::spawn(move || requests.serve());
        Self {
            requests: ours.try_clone().unwrap(),
            answers: BufReader::new(ours),
            served,
            asked: 0,
        }
    }

    fn ask(&mut self, daemon: u32, ask: Ask) -> Said {
        self.asked += 1;
        let line = Request { id: self.asked, daemon, ask }.line();
        self.requests.write_all(&line).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer = Answer::parse(line.as_bytes()).unwrap();
        assert_eq!(answer.id, self.asked);
        answer.said
    }

    fn look(&mut self, uuid: Uuid) -> Look {
        match self.ask(SYSTEM, Ask::Look { uuid, xml: true }) {
            Said::Look(look) => *look,
            other => panic!("{other:?}"),
        }
    }

    /// Closes our end.
    fn end(self) -> io::Result<()> {
        drop((self.requests, self.answers));
        self.served.join().unwrap()
    }
}

#[test]
fn a_domain_is_listed_and_looked_at() {
    let mut talk = Talk::new();
    let only = vec![Uuid::from_u128(1), DOMAIN];
    let Said::Domains(listed) = talk.ask(SYSTEM, Ask::List { only }) else { panic!("no list") };
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].uuid, listed[0].state, listed[0].pid), (DOMAIN, 1, None));
    let look = talk.look(DOMAIN);
    assert!(look.domain.maximum > 0, "{look:?}");
    assert!(look.xml.is_some_and(|xml| xml.starts_with("<domain")));
    assert_eq!(look.metadata, None);
    let none = talk.ask(SYSTEM, Ask::List { only: vec![] });
    assert_eq!(none, Said::Domains(vec![]));
    talk.end().unwrap();
}

#[test]
fn the_live_size_is_set() {
    let mut talk = Talk::new();
    for kib in [1 << 20, 1 << 21] {
        assert_eq!(talk.ask(SYSTEM, Ask::Balloon { uuid: DOMAIN, kib }), Said::Done);
        assert_eq!(talk.look(DOMAIN).domain.memory, kib);
    }
    let more = talk.ask(SYSTEM, Ask::Balloon { uuid: DOMAIN, kib: 64 << 30 });
    assert!(matches!(&more, Said::Failed(text) if text.contains("memory")), "{more:?}");
    let seconds = 2;
    let period = talk.ask(SYSTEM, Ask::Period { uuid: DOMAIN, seconds });
    assert!(matches!(period, Said::Failed(_) | Said::Done), "{period:?}");
    talk.end().unwrap();
}

#[test]
fn what_is_not_there_is_said() {
    let mut talk = Talk::new();
    let uuid = Uuid::from_u128(1);
    assert_eq!(talk.ask(SYSTEM, Ask::Look { uuid, xml: false }), Said::NoDomain);
    assert_eq!(talk.ask(SYSTEM, Ask::Balloon { uuid, kib: 1 }), Said::NoDomain);
    let failed = |text: &str| Said::Failed(text.to_owned());
    let list = || Ask::List { only: vec![] };
    assert_eq!(talk.ask(3, list()), failed("no such daemon"));
    let open = talk.ask(3, Ask::Open { session: false });
    assert_eq!(open, failed("no socket came with the request"));
    talk.end().unwrap();
}

#[test]
fn what_is_no_request_ends_it() {
    let mut talk = Talk::new();
    talk.requests.write_all(b"list\n").unwrap();
    assert!(talk.end().is_err());
    let mut talk = Talk::new();
    let half = vec![b' '; LONGEST_LINE / 2 + 1];
    talk.requests.write_all(&half).unwrap();
    // It may have ended before all is written.
    let _ = talk.requests.write_all(&half);
    assert!(talk.end().is_err_and(|error| error.to_string().contains("a line of more than")));
}
