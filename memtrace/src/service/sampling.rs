//! The sampling loop: sample, derive, publish, react. One writer, many readers; readers get the
//! newest snapshot, and a slow reader never delays the loop.
//!
//! It samples at each tick, and when pressure begins. Snapshots for readers are published only at
//! ticks: a table that changes four times a second can't be read, and extra samples would shorten
//! the interval of rates.

mod follow;
mod urgency;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tracing::field::display;
use tracing::{debug, error};

pub(crate) use follow::{Incoming, follow};
use memtrace_core::anchors::{Anchors, shortest};
use memtrace_core::live::{Control, Latest};
use memtrace_core::model::{Snapshot, derive};
use memtrace_core::reactor::{Reactor, Step};
use memtrace_core::sample::Sample;
use memtrace_core::source::{Pressure, Source};
use urgency::Urgency;

/// Maximum time between two checks of the loop's control.
const SLICE: Duration = Duration::from_millis(100);
/// Shortest time between two samples, when a view asks for another VM's threads.
const SHORTEST: Duration = Duration::from_millis(100);

/// A reader's end of the loop.
#[derive(Clone, Debug)]
pub struct Handle {
    pub latest: watch::Receiver<Latest>,
    /// What the newest snapshot was made of, for other processes.
    pub samples: watch::Receiver<Option<Arc<Sample>>>,
    /// The reactor's result for the newest sample; `None` before the first, and without a reactor.
    pub step: watch::Receiver<Option<Arc<Step>>>,
    pub control: Arc<watch::Sender<Control>>,
}

impl Handle {
    /// Trigger the loop ended, once it has.
    ///
    /// # Errors
    /// Always: that reason.
    pub fn failure(&self) -> Result<()> {
        match &*self.latest.borrow() {
            Latest::Failed(text) => bail!("{text}"),
            Latest::Starting | Latest::Snapshot(_) | Latest::Waiting(_) => {
                bail!("sampling ended without an error")
            }
        }
    }

    /// Ends the loop, and waits until its source is dropped, at most for `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.control.send_modify(|control| control.stop = true);
        let ended = async { while self.latest.changed().await.is_ok() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            debug!("the loop is still busy; not waiting for it");
        }
    }
}

/// Starts the loop on a thread of its own. It ends when [`Control::stop`] turns true,
/// when all handles are gone, or with [`Latest::Failed`]; the source is dropped then.
pub fn spawn(source: Box<dyn Source>, control: Control) -> Handle {
    spawn_with(source, None, control)
}

/// The same with a reactor, which gets each sample after it was published.
pub fn spawn_with(source: Box<dyn Source>, reactor: Option<Reactor>, control: Control) -> Handle {
    start(control, move |publisher, tell, asked| {
        run(publisher, ReactorStage { reactor, tell }, asked, source);
    })
}

/// A thread with a loop, and a reader's end of it.
fn start(
    control: Control,
    run: impl FnOnce(Publisher, watch::Sender<Option<Arc<Step>>>, watch::Receiver<Control>)
    + Send
    + 'static,
) -> Handle {
    let (publish, latest) = watch::channel(Latest::Starting);
    let (pass, samples) = watch::channel(None);
    let (tell, step) = watch::channel(None);
    let (ask, asked) = watch::channel(control);
    let publisher = Publisher { latest: publish, samples: pass };
    let spawned =
        thread::Builder::new().name("sampling".into()).spawn(move || run(publisher, tell, asked));
    let latest = match spawned {
        Ok(_) => latest,
        // The publisher was dropped with the closure.
        Err(error) => {
            let text = format!("cannot start the sampling thread: {error}");
            watch::channel(Latest::Failed(text.into())).1
        }
    };
    Handle { latest, samples, step, control: Arc::new(ask) }
}

/// The writer's end. Readers get the failure even when the source panics.
struct Publisher {
    latest: watch::Sender<Latest>,
    samples: watch::Sender<Option<Arc<Sample>>>,
}

impl Publisher {
    fn snapshot(&self, sample: &Arc<Sample>, snapshot: Arc<Snapshot>) {
        self.latest.send_replace(Latest::Snapshot(snapshot));
        self.samples.send_replace(Some(Arc::clone(sample)));
    }

    fn waiting(&self, text: String) {
        debug!("waiting for samples: {text}");
        self.latest.send_replace(Latest::Waiting(text.into()));
    }

    fn failed(&self, text: String) {
        error!("sampling ended: {text}");
        self.latest.send_replace(Latest::Failed(text.into()));
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if thread::panicking() {
            self.failed("internal error: sampling panicked".into());
        }
    }
}

/// The stage after publishing: the reactor.
struct ReactorStage {
    reactor: Option<Reactor>,
    tell: watch::Sender<Option<Arc<Step>>>,
}

impl ReactorStage {
    fn react(&mut self, now: &Arc<Sample>, snapshot: Arc<Snapshot>) {
        if let Some(reactor) = &mut self.reactor {
            let reaction = reactor.react(now, &snapshot);
            reactor.keep(now, &reaction);
            self.tell.send_replace(Some(Arc::new(Step { snapshot, reaction })));
        }
    }
}

impl Drop for ReactorStage {
    fn drop(&mut self) {
        // No orderly shutdown after a panic.
        let reactor = self.reactor.take().filter(|_| !thread::panicking());
        if let Some(Err(error)) = reactor.map(Reactor::stop) {
            error!("cannot write the end of the run to the journal: {error:#}");
        }
    }
}

fn run(
    publisher: Publisher,
    stage: ReactorStage,
    mut control: watch::Receiver<Control>,
    source: Box<dyn Source>,
) {
    let mut asked = *control.borrow_and_update();
    let (anchors, urgency) = (Anchors::default(), Urgency::default());
    let mut sampler = Sampler { source, tick: None, anchors, urgency, stage, publisher };
    let mut deadline = Instant::now();
    while !asked.stop {
        let begun = Instant::now();
        if let Err(error) = sampler.sample(&asked, Trigger::Tick) {
            return sampler.publisher.failed(format!("{error:#}"));
        }
        deadline = next_tick(deadline, asked.interval, Instant::now());
        while let Some(remaining) = remaining(deadline) {
            match control.has_changed() {
                Ok(false) => {
                    if let Err(error) = sampler.wait(&asked, remaining.min(SLICE)) {
                        return sampler.publisher.failed(format!("{error:#}"));
                    }
                }
                Ok(true) => {
                    let before = asked;
                    asked = *control.borrow_and_update();
                    let Control { interval, detail, stop } = asked;
                    let (seconds, detail) = (interval.as_secs_f64(), detail.map(display));
                    debug!(seconds, detail, stop, "control changed");
                    deadline = replan(deadline, begun, before, asked);
                }
                Err(_) => return,
            }
        }
    }
}

/// What triggers a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Tick,
    /// For the reactor alone.
    Pressure,
}

/// The sampling loop's state and its subscribers. Fields are dropped from first to last: the source
/// is gone when readers see the end of the loop.
struct Sampler {
    source: Box<dyn Source>,
    /// Of the last tick: a tick's snapshot is over the time since the tick before.
    tick: Option<Arc<Sample>>,
    anchors: Anchors<Instant, Arc<Sample>>,
    urgency: Urgency,
    stage: ReactorStage,
    publisher: Publisher,
}

impl Sampler {
    fn sample(&mut self, asked: &Control, trigger: Trigger) -> Result<()> {
        let (begun, used) = (Instant::now(), cpu_time());
        let now = Arc::new(self.source.sample(asked.detail)?);
        let mut shown = None;
        if trigger == Trigger::Tick {
            let before = self.tick.replace(Arc::clone(&now));
            let snapshot = Arc::new(derive(before.as_deref(), &now));
            self.publisher.snapshot(&now, Arc::clone(&snapshot));
            shown = Some((before, snapshot));
        }
        if self.stage.reactor.is_some() {
            self.decide(begun, asked, shown, now);
        }
        let cost = (trigger == Trigger::Pressure).then(|| cpu_time().saturating_sub(used));
        self.urgency.looked(begun, cost);
        Ok(())
    }

    /// `shown`: the published sample, and the one it was compared with.
    fn decide(&mut self, begun: Instant, asked: &Control, shown: Shown, now: Arc<Sample>) {
        let shortest = shortest(asked.interval);
        // Without one there are no rates to decide by.
        if let Some(before) = self.anchors.baseline(begun, shortest) {
            let same = shown.filter(|(shown, _)| {
                shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, before))
            });
            let snapshot =
                same.map_or_else(|| Arc::new(derive(Some(before), &now)), |(_, shown)| shown);
            self.stage.react(&now, snapshot);
        }
        self.anchors.keep(begun, now, shortest);
    }

    /// Waits at most `most`, and samples early on pressure.
    fn wait(&mut self, asked: &Control, most: Duration) -> Result<()> {
        let due = self.due(asked);
        let most = due.map_or(most, |due| most.min(due.saturating_duration_since(Instant::now())));
        if most.is_zero() {
            return self.sample(asked, Trigger::Pressure);
        }
        if let Some(Pressure { sign, at }) = self.source.wait(most)
            && self.stage.reactor.is_some()
        {
            debug!(sign = sign.word(), at_ns = at.0, "pressure");
            self.urgency.ask();
        }
        Ok(())
    }

    /// When to sample before the tick.
    fn due(&self, asked: &Control) -> Option<Instant> {
        let due = self.urgency.due(Instant::now())?;
        Some(due.max(self.anchors.oldest()? + shortest(asked.interval)))
    }
}

/// The published sample, and the one it was compared with.
type Shown = Option<(Option<Arc<Sample>>, Arc<Snapshot>)>;

/// CPU time of this thread.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn remaining(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|remaining| !remaining.is_zero())
}

/// The next deadline on the grid that `deadline` lies on. Ticks that have gone by are
/// skipped and not made up for, so that a slow sample does not cause a burst.
fn next_tick(deadline: Instant, interval: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(deadline).as_nanos();
    let skipped = late.checked_div(interval.as_nanos()).unwrap_or(0);
    let ahead = interval.as_nanos().saturating_mul(skipped.saturating_add(1));
    deadline + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX))
}

/// The deadline after a change of the interval, for a loop whose last sample began at `begun`.
fn replan(deadline: Instant, begun: Instant, before: Control, asked: Control) -> Instant {
    if asked.stop {
        begun
    } else if asked.interval != before.interval {
        begun.checked_add(asked.interval).unwrap_or(deadline)
    } else if asked.detail != before.detail {
        deadline.min(begun + SHORTEST)
    } else {
        deadline
    }
}

#[cfg(test)]
mod tests;
