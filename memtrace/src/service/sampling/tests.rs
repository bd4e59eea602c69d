//! The loop with a source that reads nothing.

mod at_once;

use std::sync::mpsc;

use anyhow::bail;

use super::*;
use memtrace_core::fixture::samples;
use memtrace_core::policy::{Decisions, Memtrace, Observation, Policy, Rules};
use memtrace_core::sample::VmId;
use memtrace_core::source::Sign;
use memtrace_core::units::Nanos;
use memtrace_store::recording::{BackgroundRecorder, Limits, Recorder, Recording};

/// Upper bound for any wait here. Reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(20);
/// An interval longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

/// Reports each call and its own end through a channel.
struct Fake {
    calls: mpsc::Sender<Option<VmId>>,
    sampled: u64,
    fails_at: Option<u64>,
    panics: bool,
    /// This many waits end with pressure at once; the last of them is reported.
    pressed: u32,
    relieved: Option<mpsc::Sender<()>>,
}

impl Source for Fake {
    fn sample(&mut self, detail: Option<VmId>) -> anyhow::Result<Sample> {
        assert!(!self.panics, "asked to panic");
        self.sampled += 1;
        if self.fails_at == Some(self.sampled) {
            bail!("the kernel went away");
        }
        // There may be no listener.
        let _ = self.calls.send(detail);
        Ok(samples::sample(self.sampled, vec![samples::vm("a", 7)]))
    }

    fn wait(&mut self, timeout: Duration) -> Option<Pressure> {
        if self.pressed == 0 {
            thread::park_timeout(timeout);
            return None;
        }
        self.pressed -= 1;
        if self.pressed == 0 {
            // Ends the wait of a test.
            self.relieved = None;
        }
        Some(Pressure { sign: Sign::Psi, at: Nanos(0) })
    }
}

/// Decides nothing and journals nothing.
struct Nothing;

impl Policy for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn step(&mut self, _: &Observation) -> Decisions {
        Decisions::default()
    }
}

fn reactor() -> Option<Reactor> {
    Some(Reactor::on_paper(Box::new(Nothing)))
}

fn fake() -> (Fake, mpsc::Receiver<Option<VmId>>) {
    let (calls, called) = mpsc::channel();
    (Fake { calls, sampled: 0, fails_at: None, panics: false, pressed: 0, relieved: None }, called)
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
    let id = samples::vm("a", 7).id;
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
fn pressure_is_looked_at_before_the_tick_and_readers_are_left_in_peace() {
    let (mut source, called) = fake();
    source.pressed = 3;
    let begun = Instant::now();
    let mut handle = spawn_with(Box::new(source), reactor(), every(NEVER));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let step = runtime.expect("a runtime starts").block_on(async {
        tokio::time::timeout(PATIENCE, handle.step.wait_for(Option::is_some))
            .await
            .map(|step| step.expect("the loop lives").clone())
    });
    let step = step.expect("it decides in time").expect("there is a step");
    assert!(step.snapshot.interval.is_some(), "it decides by rates");
    // Rates over much less than a second are no reason to act.
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert!(!has_rates(&handle.latest.borrow()), "what is shown stays on the ticks");
    handle.control.send_modify(|control| control.stop = true);
    let calls = called.iter().count();
    assert_eq!(calls, 2, "signs that come together are answered by one look");
}

#[test]
fn without_a_reactor_pressure_triggers_no_sample() {
    let (mut source, called) = fake();
    let (relieved, relief) = mpsc::channel();
    (source.pressed, source.relieved) = (1000, Some(relieved));
    let handle = spawn(Box::new(source), every(NEVER));
    assert_eq!(relief.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    handle.control.send_modify(|control| control.stop = true);
    assert_eq!(called.iter().count(), 1);
}

#[test]
fn decisions_use_rates_over_the_minimum_interval() {
    // A view that asks for another VM has it read at once, 100 ms after the last sample.
    let (source, called) = fake();
    let mut handle = spawn_with(Box::new(source), reactor(), every(NEVER));
    assert_eq!(called.recv_timeout(PATIENCE), Ok(None));
    handle.control.send_modify(|control| control.detail = Some(samples::vm("a", 7).id));
    wait(&mut handle, has_rates);
    handle.control.send_modify(|control| control.stop = true);
    assert_eq!(called.iter().count(), 1);
    assert!(handle.step.borrow().is_none());
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
    let detail = Some(samples::vm("a", 7).id);
    assert_eq!(replan(Control { detail, ..before }), SHORTEST);
}

#[tokio::test]
async fn the_loop_has_recorded_every_reaction_when_it_is_over() {
    const LIMIT: Duration = Duration::from_secs(20);
    let directory = tempfile::tempdir().expect("there is room");
    let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
    let scribe = BackgroundRecorder::start(recorder).expect("it starts");
    let policy = Box::new(Memtrace::new(Rules::default()));
    let reactor = Reactor::on_paper(policy).recorded(Box::new(scribe));
    let control = Control { interval: Duration::from_millis(20), detail: None, stop: false };
    let mut handle = spawn_with(Box::new(samples::Seconds::endless()), Some(reactor), control);
    let step = handle.step.wait_for(Option::is_some);
    let step = tokio::time::timeout(LIMIT, step).await.expect("in time").expect("it runs").clone();
    handle.stop(LIMIT).await;
    let step = step.expect("there is one");
    let mut recording = Recording::open(directory.path()).expect("it can be read");
    let found = recording.by_ref().find(|moment| moment.sample.wall == step.snapshot.wall);
    assert_eq!(found.and_then(|moment| moment.reaction), Some(step.reaction.clone()));
    assert!(recording.by_ref().all(|moment| moment.reaction.is_some()));
    assert_eq!(recording.losses(), [], "it isn't closed");
}
