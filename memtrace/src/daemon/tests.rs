//! The loop with a source that reads nothing.

use std::sync::mpsc;

use anyhow::bail;

use super::*;
use crate::model::tests::fixture;

/// Longest that anything here may take. Nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// An interval that no test lives to see the end of.
const NEVER: Duration = Duration::from_secs(3600);

/// Tells each call and its own end through a channel.
struct Fake {
    calls: mpsc::Sender<Option<VmId>>,
    sampled: u64,
    fails_at: Option<u64>,
    panics: bool,
}

impl Source for Fake {
    fn sample(&mut self, detail: Option<VmId>) -> anyhow::Result<Sample> {
        assert!(!self.panics, "asked to panic");
        self.sampled += 1;
        if self.fails_at == Some(self.sampled) {
            bail!("the kernel went away");
        }
        // Nobody has to listen.
        let _ = self.calls.send(detail);
        Ok(fixture::sample(self.sampled, vec![fixture::vm("a", 7)]))
    }
}

fn fake() -> (Fake, mpsc::Receiver<Option<VmId>>) {
    let (calls, called) = mpsc::channel();
    (Fake { calls, sampled: 0, fails_at: None, panics: false }, called)
}

fn every(interval: Duration) -> Control {
    Control { interval, detail: None, stop: false }
}

/// Waits until what the loop shows satisfies `wanted`.
fn wait(handle: &mut Handle, wanted: impl FnMut(&Latest) -> bool) -> Latest {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let latest = runtime.expect("a runtime starts").block_on(async {
        tokio::time::timeout(PATIENCE, handle.latest.wait_for(wanted))
            .await
            .map(|latest| latest.expect("the loop shows something").clone())
    });
    latest.expect("the loop shows it in time")
}

fn failure(latest: &Latest) -> Option<&str> {
    match latest {
        Latest::Failed(text) => Some(text),
        _ => None,
    }
}

fn has_rates(latest: &Latest) -> bool {
    matches!(latest, Latest::Snapshot(snapshot) if snapshot.interval.is_some())
}

/// Waits until the source is dropped, which closes its channel.
fn wait_for_end(called: &mpsc::Receiver<Option<VmId>>) {
    let deadline = Instant::now() + PATIENCE;
    while called.recv_timeout(remaining(deadline).expect("the loop ends in time")).is_ok() {}
}

#[test]
fn the_first_snapshot_comes_at_once_and_the_second_has_rates() {
    let (source, _called) = fake();
    let mut handle = spawn(Box::new(source), every(Duration::from_millis(5)));
    wait(&mut handle, |latest| matches!(latest, Latest::Snapshot(_)));
    wait(&mut handle, has_rates);
}

#[test]
fn an_error_of_the_source_ends_the_loop_and_is_shown() {
    let (mut source, called) = fake();
    source.fails_at = Some(2);
    let mut handle = spawn(Box::new(source), every(Duration::from_millis(5)));
    let latest = wait(&mut handle, |latest| failure(latest).is_some());
    assert_eq!(failure(&latest), Some("the kernel went away"));
    wait_for_end(&called);
}

#[test]
fn a_panic_of_the_source_is_shown_too() {
    let (mut source, _called) = fake();
    source.panics = true;
    let mut handle = spawn(Box::new(source), every(NEVER));
    let latest = wait(&mut handle, |latest| failure(latest).is_some());
    assert!(failure(&latest).is_some_and(|text| text.contains("panic")), "{latest:?}");
}

#[test]
fn another_interval_takes_effect_at_once() {
    let (source, _called) = fake();
    let mut handle = spawn(Box::new(source), every(NEVER));
    wait(&mut handle, |latest| matches!(latest, Latest::Snapshot(_)));
    handle.control.send_modify(|control| control.interval = Duration::from_millis(1));
    wait(&mut handle, has_rates);
}

#[test]
fn another_vm_in_detail_is_read_at_once() {
    let (source, called) = fake();
    let handle = spawn(Box::new(source), every(NEVER));
    assert_eq!(called.recv_timeout(PATIENCE), Ok(None));
    let id = fixture::vm("a", 7).id;
    handle.control.send_modify(|control| control.detail = Some(id));
    assert_eq!(called.recv_timeout(PATIENCE), Ok(Some(id)));
}

#[test]
fn stop_ends_the_loop_and_drops_the_source() {
    let (source, called) = fake();
    let handle = spawn(Box::new(source), every(NEVER));
    handle.control.send_modify(|control| control.stop = true);
    wait_for_end(&called);
}

#[test]
fn a_stopped_loop_has_dropped_its_source() {
    let (source, called) = fake();
    let handle = spawn(Box::new(source), every(NEVER));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts").block_on(handle.stop(PATIENCE));
    assert!(!called.try_iter().any(|detail| detail.is_some()));
    assert_eq!(called.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[test]
fn the_loop_ends_with_its_last_handle() {
    let (source, called) = fake();
    drop(spawn(Box::new(source), every(NEVER)));
    wait_for_end(&called);
}

#[test]
fn a_loop_that_is_stopped_before_it_began_reads_nothing() {
    let (source, called) = fake();
    let _handle = spawn(Box::new(source), Control { stop: true, ..every(NEVER) });
    assert_eq!(called.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn ticks_stay_on_the_grid_and_missed_ones_are_skipped() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let second = Duration::from_secs(1);
    for (now, expected) in [(0, 1000), (5, 1000), (999, 1000), (1000, 2000), (2500, 3000)] {
        assert_eq!(next_tick(start, second, at(now)), at(expected), "after {now} ms");
    }
    assert_eq!(next_tick(start, Duration::ZERO, at(5)), start, "no interval, no division");
}

#[test]
fn a_change_of_mind_moves_the_deadline() {
    let begun = Instant::now();
    let (deadline, before) = (begun + Duration::from_secs(10), every(Duration::from_secs(10)));
    let replan = |asked| replan(deadline, begun, before, asked).duration_since(begun);
    assert_eq!(replan(before), Duration::from_secs(10));
    assert_eq!(replan(every(Duration::from_secs(2))), Duration::from_secs(2));
    assert_eq!(replan(Control { stop: true, ..before }), Duration::ZERO);
    let detail = Some(fixture::vm("a", 7).id);
    assert_eq!(replan(Control { detail, ..before }), SHORTEST);
}
