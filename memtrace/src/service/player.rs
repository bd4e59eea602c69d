//! Plays a recording on its own thread, in place of the sampling loop: views get its snapshots as
//! the newest.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::service::sampling::Handle;
use memtrace_core::alert::{self, Rule, Watcher};
use memtrace_core::live::{Control, Latest};
use memtrace_core::reactor::{Reaction, Step};
use memtrace_core::replay::order::{Mark, Order, Place};
use memtrace_core::units::{Nanos, WallNanos};
use memtrace_store::tape::{Shown, Tape};
use memtrace_view::words;

/// Interval of checks for shutdown, and of progress reports of a search.
const SLICE: Duration = Duration::from_millis(100);

/// A view's handle of the player. Its interval is the delay between two samples.
#[derive(Clone, Debug)]
pub struct Remote {
    pub orders: Sender<Order>,
    pub place: watch::Receiver<Place>,
}

/// Plays from `first`, or else the next record of `tape`. `rules`: alert rules for searches. It
/// ends as a sampling loop does.
pub fn play(
    (tape, first): (Tape, Option<Shown>),
    rules: Vec<Rule>,
    control: Control,
) -> (Handle, Remote) {
    let (latest, newest) = watch::channel(Latest::Starting);
    let (tell, step) = watch::channel(None);
    let (ask, control) = watch::channel(control);
    let (orders, ordered) = channel();
    let (places, place) = watch::channel(Place { playing: true, ..Place::default() });
    let watcher = Watcher::new(rules.clone());
    let view = View { latest: latest.clone(), step: tell, place: places };
    let player = Player { tape, rules, watcher, now: None, place: place.borrow().clone(), view };
    let spawned = thread::Builder::new()
        .name("replay".into())
        .spawn(move || player.run(first, &ordered, &control));
    if let Err(error) = spawned {
        let text = format!("cannot start the thread that reads the recording: {error}");
        latest.send_replace(Latest::Failed(text.into()));
    }
    // Nobody else reads them.
    let (_, samples) = watch::channel(None);
    (Handle { latest: newest, samples, step, control: Arc::new(ask) }, Remote { orders, place })
}

/// The views' ends.
struct View {
    latest: watch::Sender<Latest>,
    step: watch::Sender<Option<Arc<Step>>>,
    place: watch::Sender<Place>,
}

struct Player {
    tape: Tape,
    rules: Vec<Rule>,
    watcher: Watcher,
    /// The record shown.
    now: Option<WallNanos>,
    place: Place,
    view: View,
}

impl Player {
    fn run(
        mut self,
        first: Option<Shown>,
        orders: &Receiver<Order>,
        control: &watch::Receiver<Control>,
    ) {
        let mut last = Instant::now();
        match first {
            Some(shown) => self.come_to(shown),
            None => self.advance(),
        }
        self.tell();
        // The sender goes with the last handle.
        while control.has_changed().is_ok() && !control.borrow().stop {
            let due = last.checked_add(control.borrow().interval).unwrap_or(last);
            match self.wait(orders, due) {
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => match self.place.finding {
                    Some(mark) => self.find(mark),
                    None if self.place.playing && Instant::now() >= due => {
                        last = Instant::now();
                        self.advance();
                    }
                    None => {}
                },
            }
            self.tell();
        }
    }

    /// Waits for a command, until the next record is due.
    fn wait(&self, orders: &Receiver<Order>, due: Instant) -> Result<Order, RecvTimeoutError> {
        let most = match (self.place.finding, self.place.playing) {
            (Some(_), _) => Duration::ZERO,
            (None, true) => due.saturating_duration_since(Instant::now()).min(SLICE),
            (None, false) => SLICE,
        };
        orders.recv_timeout(most)
    }

    fn obey(&mut self, order: Order) {
        (self.place.finding, self.place.remark) = (None, None);
        self.place.playing = matches!(order, Order::Play(true)) && !self.place.ended;
        let now = self.now.unwrap_or(WallNanos(0));
        match order {
            Order::Play(_) => {}
            Order::Next => self.advance(),
            Order::Back => self.go(WallNanos(now.0.saturating_sub(1))),
            Order::Jump(seconds) => {
                let nanos = seconds.saturating_mul(Nanos::SECOND.0.cast_signed());
                self.go(WallNanos(now.0.saturating_add_signed(nanos)));
            }
            Order::Go(to) => self.go(to),
            Order::Find(mark) => self.place.finding = Some(mark),
        }
    }

    fn advance(&mut self) {
        match self.tape.next() {
            Some(shown) => self.come_to(shown),
            None => (self.place.ended, self.place.playing) = (true, false),
        }
    }

    fn go(&mut self, to: WallNanos) {
        // Alert states are reset here.
        self.watcher = Watcher::new(self.rules.clone());
        if let Some(shown) = self.tape.go(to) {
            self.place.ended = false;
            self.come_to(shown);
        }
    }

    fn come_to(&mut self, shown: Shown) {
        self.look(&shown);
        self.show(shown);
    }

    /// Searches for a mark, for a bounded time.
    fn find(&mut self, mark: Mark) {
        let begun = Instant::now();
        let mut passed = None;
        while begun.elapsed() < SLICE {
            let Some(shown) = self.tape.next() else {
                (self.place.ended, self.place.finding) = (true, None);
                let text = format!("no further {} in the recording", mark.word());
                self.place.remark = Some(text.into());
                break;
            };
            let alert = self.look(&shown);
            let found = match mark {
                Mark::Decision => shown.reaction.as_ref().is_some_and(decides),
                Mark::Alert => alert.is_some(),
            };
            passed = Some(shown);
            if found {
                self.place.finding = None;
                self.place.remark = alert.filter(|_| mark == Mark::Alert).map(Into::into);
                break;
            }
        }
        if let Some(shown) = passed {
            self.show(shown);
        }
    }

    /// The text of an alert that begins here.
    fn look(&mut self, shown: &Shown) -> Option<String> {
        let reaction = shown.reaction.clone().unwrap_or_default();
        let step = Step { snapshot: Arc::clone(&shown.snapshot), reaction };
        let alerts = self.watcher.step(shown.at, &step);
        let mut begun = alerts.iter().filter(|alert| alert.state == alert::AlertState::Firing);
        begun.next().map(|alert| {
            let about = alert.vm.as_ref().map_or("the host", |named| &named.name);
            format!("alert {} about {about}: {}", alert.condition.name(), words::alert(alert))
        })
    }

    fn show(&mut self, Shown { snapshot, reaction, .. }: Shown) {
        self.now = Some(snapshot.wall);
        let step = |reaction| Arc::new(Step { snapshot: Arc::clone(&snapshot), reaction });
        // Decisions first, so that no snapshot is shown with those of another.
        self.view.step.send_replace(reaction.map(step));
        self.view.latest.send_replace(Latest::Snapshot(snapshot));
    }

    /// Publishes the position, if it has changed.
    fn tell(&mut self) {
        let losses = self.tape.losses();
        if losses.len() != self.place.losses.len() {
            self.place.losses = losses.iter().map(ToString::to_string).collect();
        }
        let place = &self.place;
        self.view.place.send_if_modified(|told| {
            let differs = told != place;
            told.clone_from(place);
            differs
        });
    }
}

/// Whether the record has a decision.
fn decides(reaction: &Reaction) -> bool {
    !reaction.decisions.actions.is_empty()
}

#[cfg(test)]
mod tests;
