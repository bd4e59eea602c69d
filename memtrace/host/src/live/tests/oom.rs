//! Reports of OOM kills.

use super::*;
use memtrace_core::sample::Topic;

#[test]
fn an_oom_kill_is_reported_with_its_names() {
    let host = host();
    let (mut source, remote) = source(&host);
    source.sample(None).unwrap();
    remote.send(killed(12_345, 50));
    remote.send(killed(50, 7));
    remote.send(killed(50, 50));
    remote.send(killed(12_345, 7));
    assert_eq!(
        told(source.sample(None)),
        [
            "the OOM killer killed another process (process 12345) while näme with spaces was allocating",
            "the OOM killer killed näme with spaces (process 50) while kworker was allocating",
            "the OOM killer killed näme with spaces (process 50)",
        ]
    );
}

#[test]
fn a_victim_that_is_gone_before_its_kill_is_reported_keeps_its_name() {
    // With the word of its end, and without.
    for ends in [vec![event(EVENT_EXITED, 50)], vec![]] {
        let host = host();
        let (mut source, remote) = source(&host);
        source.sample(None).unwrap();
        host.end(50);
        for end in ends {
            remote.send(end);
        }
        assert!(source.sample(None).unwrap().vms.is_empty());
        remote.send(killed(50, 7));
        assert_eq!(
            told(source.sample(None)),
            ["the OOM killer killed näme with spaces (process 50) while kworker was allocating"]
        );
    }
}

#[test]
fn kills_of_vms_and_of_others_are_counted_and_stay_when_the_victim_is_gone() {
    let host = host();
    let (mut source, remote) = source(&host);
    let counted = |source: &mut LiveSource| {
        let counters = source.sample(None).unwrap().host.counters.unwrap();
        (counters.vm_oom_kills, counters.other.oom_kills, counters.other.oom_caused)
    };
    assert_eq!(counted(&mut source), (Some(0), 0, 0));
    remote.send(killed(12_345, 50));
    remote.send(killed(12_346, 7));
    assert_eq!(counted(&mut source), (Some(0), 2, 1));
    // The word of it comes after its end.
    host.end(50);
    remote.send(event(EVENT_EXITED, 50));
    assert_eq!(counted(&mut source), (Some(0), 2, 1));
    remote.send(killed(50, 7));
    assert_eq!(counted(&mut source), (Some(1), 2, 2));
}

#[test]
fn a_victim_is_counted_once_whichever_of_its_threads_ask_for_more() {
    let host = host();
    let (mut source, remote) = source(&host);
    source.sample(None).unwrap();
    for causer in [50, 50, 7] {
        remote.send(killed(50, causer));
    }
    let counters = source.sample(None).unwrap().host.counters.unwrap();
    assert_eq!((counters.vm_oom_kills, counters.other.oom_kills), (Some(1), 0));
}

fn told(sample: anyhow::Result<Sample>) -> Vec<String> {
    let notices = sample.unwrap().notices.into_iter();
    notices.filter(|notice| notice.about == Topic::Oom).map(|notice| notice.text).collect()
}

/// Its command is that of who was allocating.
fn killed(tgid: u32, causer_tgid: u32) -> Event {
    let mut comm = [0; 16];
    comm[..7].copy_from_slice(b"kworker");
    Event { causer_tgid, comm, ..event(EVENT_OOM_KILL, tgid) }
}
