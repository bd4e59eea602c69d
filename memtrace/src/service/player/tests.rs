//! What orders lead to.

use super::*;
use memtrace_core::alert::Condition;
use memtrace_core::fixture::samples;
use memtrace_store::recording::{Record, Writer};

const LIMIT: Duration = Duration::from_secs(20);

/// Ten seconds; memtrace decides something in the seventh, and memory is low in the ninth.
fn tape(directory: &std::path::Path) -> Tape {
    let path = directory.join("a.mtrec");
    let mut writer = Writer::create(&path).expect("it can be made");
    for second in 1..=10 {
        let mut sample = samples::sample(second, vec![samples::vm("a", 7)]);
        if let Some(meminfo) = &mut sample.host.meminfo
            && second >= 9
        {
            meminfo.available = memtrace_core::units::Bytes(1);
        }
        let reaction =
            memtrace_core::fixture::observed().report().map(|told| told.reaction.clone());
        let mut reaction = reaction.expect("it is a report");
        reaction.decisions.actions.truncate(if second == 7 { 1 } else { 0 });
        writer.push(Record { sample, reaction: Some(reaction) }).expect("it is written");
    }
    writer.close().expect("it is closed");
    Tape::open(&path).expect("it can be read")
}

struct Playing {
    handle: Handle,
    remote: Remote,
    _directory: tempfile::TempDir,
}

impl Playing {
    /// Stands still in the first second.
    async fn still() -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        let control = Control { interval: LIMIT * 2, detail: None, stop: false };
        let rule = Rule { lasting: Nanos(0), ..Condition::HostMemoryLow.rule() };
        let (handle, remote) = play((tape(directory.path()), None), vec![rule], control);
        let mut playing = Self { handle, remote, _directory: directory };
        playing.comes_to(1).await;
        playing
    }

    fn order(&self, order: Order) {
        self.remote.orders.send(order).expect("it plays");
    }

    /// Waits for this second.
    async fn comes_to(&mut self, second: u64) {
        let wall = samples::sample(second, Vec::new()).wall;
        let is_there = |latest: &Latest| match latest {
            Latest::Snapshot(snapshot) => snapshot.wall == wall,
            Latest::Starting | Latest::Waiting(_) | Latest::Failed(_) => false,
        };
        let waiting = self.handle.latest.wait_for(is_there);
        let came = tokio::time::timeout(LIMIT, waiting).await;
        came.unwrap_or_else(|_| panic!("second {second} doesn't come")).expect("it plays");
    }

    async fn stands(&mut self, is_so: impl Fn(&Place) -> bool) -> Place {
        let waiting = self.remote.place.wait_for(|place| is_so(place));
        let place = tokio::time::timeout(LIMIT, waiting).await.expect("in time");
        place.expect("it plays").clone()
    }
}

#[tokio::test]
async fn it_seeks_to_the_given_moment() {
    let mut playing = Playing::still().await;
    for (order, second) in [
        (Order::Next, 2),
        (Order::Jump(3), 5),
        (Order::Back, 4),
        (Order::Jump(-2), 2),
        (Order::Jump(i64::MIN), 1),
        (Order::Go(samples::sample(6, Vec::new()).wall), 6),
        (Order::Jump(i64::MAX), 10),
    ] {
        playing.order(order);
        playing.comes_to(second).await;
    }
    playing.order(Order::Next);
    assert!(!playing.stands(|place| place.ended).await.playing);
    playing.order(Order::Back);
    playing.comes_to(9).await;
    playing.stands(|place| !place.ended).await;
    playing.handle.stop(LIMIT).await;
}

#[tokio::test]
async fn it_finds_decisions_and_alerts_and_says_when_there_are_none() {
    let mut playing = Playing::still().await;
    playing.order(Order::Find(Mark::Decision));
    playing.comes_to(7).await;
    let step = playing.handle.step.borrow().clone().expect("there is a reaction");
    assert!(decides(&step.reaction));
    playing.order(Order::Find(Mark::Alert));
    playing.comes_to(9).await;
    let place = playing.stands(|place| place.remark.is_some()).await;
    assert!(place.remark.is_some_and(|text| text.contains("host_memory_low about the host")));
    playing.order(Order::Find(Mark::Decision));
    let none = "no further decision in the recording";
    playing.stands(|place| place.ended && place.remark.as_deref() == Some(none)).await;
    playing.handle.stop(LIMIT).await;
}

#[tokio::test]
async fn it_plays_to_the_end_and_pauses() {
    let mut playing = Playing::still().await;
    let quick = Duration::from_millis(1);
    playing.handle.control.send_modify(|control| control.interval = quick);
    playing.comes_to(10).await;
    let place = playing.stands(|place| place.ended).await;
    assert_eq!(place, Place { ended: true, ..Place::default() });
    playing.handle.stop(LIMIT).await;
}
