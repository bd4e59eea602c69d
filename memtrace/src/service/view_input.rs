//! The input of views: snapshots of the sampling loop, and decisions on this host.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use crate::service::player::Remote;
use crate::service::sampling::Handle;
use memtrace_core::alert::Alert;
use memtrace_core::live::Latest;
use memtrace_core::reactor::entry::Followed;
use memtrace_core::reactor::{Author, Decided, Report, Step};
use memtrace_store::journal::Follower;

/// Maximum wait for the reaction to a snapshot. There is none between samples that are closer than
/// the policy's rates.
const SOON: Duration = Duration::from_millis(200);

/// The source of everything that views show.
#[derive(Clone, Debug)]
pub struct ViewInput {
    pub handle: Handle,
    /// Decisions of another `memtrace mitigate` on this host; `None` while there is none.
    pub beside: watch::Receiver<Option<Decided>>,
    /// The player, if a recording is shown.
    pub replay: Option<Remote>,
    /// Which other memtrace takes the samples, if one does.
    pub whose: Option<watch::Receiver<String>>,
    /// Alerts of this instance; `None` where it has no rules.
    alerts: Option<watch::Receiver<Vec<Alert>>>,
    /// Why this instance has no reactor, if it has none.
    idle: Option<Arc<str>>,
    /// Keeps `beside` open when no other instance is looked for.
    _alone: Option<Arc<watch::Sender<Option<Decided>>>>,
}

impl ViewInput {
    /// For a loop without another instance. `idle`: why it has no reactor.
    pub fn alone(handle: Handle, idle: Option<Arc<str>>) -> Self {
        let (alone, beside) = watch::channel(None);
        let (replay, whose, alerts) = (None, None, None);
        Self { handle, beside, replay, whose, alerts, idle, _alone: Some(Arc::new(alone)) }
    }

    /// With the alerts of this instance.
    #[must_use]
    pub fn alerted(self, alerts: watch::Receiver<Vec<Alert>>) -> Self {
        Self { alerts: Some(alerts), ..self }
    }

    /// The alerts that are firing.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.as_ref().map(|alerts| alerts.borrow().clone()).unwrap_or_default()
    }

    /// For a recording. `idle`: the text for records without decisions.
    pub fn replayed(handle: Handle, remote: Remote, idle: Arc<str>) -> Self {
        Self { replay: Some(remote), ..Self::alone(handle, Some(idle)) }
    }

    /// For an observing loop, with the journal of another instance that may act. `idle`: why it
    /// has no reactor. Reads the journal once per snapshot, on a thread that may block. Needs a
    /// runtime.
    pub fn beside(handle: Handle, idle: Option<Arc<str>>, follower: Follower) -> Self {
        let (tell, beside) = watch::channel(None);
        tokio::spawn(follow(handle.latest.clone(), follower, tell));
        Self { handle, beside, replay: None, whose: None, alerts: None, idle, _alone: None }
    }

    /// With the one that takes the samples.
    #[must_use]
    pub fn taken_by(self, whose: Option<watch::Receiver<String>>) -> Self {
        Self { whose, ..self }
    }

    /// The current decisions. Those of another instance take precedence.
    pub fn decided(&self) -> Decided {
        if let Some(beside) = &*self.beside.borrow() {
            return beside.clone();
        }
        if let Some(step) = &*self.handle.step.borrow() {
            return own(step);
        }
        Decided::Not(self.idle.clone().unwrap_or_else(|| "no decision yet".into()))
    }

    /// The same after the reactor has processed this snapshot, if there is one.
    pub async fn decided_of(&mut self, latest: &Latest) -> Decided {
        if let (Latest::Snapshot(snapshot), None) = (latest, &self.idle)
            && snapshot.interval.is_some()
        {
            let wall = snapshot.wall;
            let has_seen = |step: &Option<Arc<Step>>| {
                step.as_ref().is_some_and(|step| step.snapshot.wall >= wall)
            };
            // The loop's end comes with the next snapshot.
            let seen = self.handle.step.wait_for(has_seen);
            let _ = tokio::time::timeout(SOON, seen).await;
        }
        self.decided()
    }
}

fn own(step: &Step) -> Decided {
    let report = Report {
        author: Author::Ourselves,
        at: step.snapshot.wall,
        reaction: step.reaction.clone(),
    };
    Decided::Report(Arc::new(report))
}

async fn follow(
    mut latest: watch::Receiver<Latest>,
    mut follower: Follower,
    tell: watch::Sender<Option<Decided>>,
) {
    while latest.changed().await.is_ok() {
        let looking = tokio::task::spawn_blocking(move || {
            let found = look(&mut follower);
            (follower, found)
        });
        // A panic has its own message.
        let Ok((kept, found)) = looking.await else { return };
        follower = kept;
        if tell.send(found).is_err() {
            return;
        }
    }
}

fn look(follower: &mut Follower) -> Option<Decided> {
    match follower.look() {
        Ok(None) => None,
        Ok(Some(followed)) => Some(of_another(followed)),
        Err(error) => {
            debug!("cannot read the journal of another instance: {error}");
            let text = format!("cannot check for another `memtrace mitigate`: {error}");
            Some(Decided::Not(text.into()))
        }
    }
}

fn of_another(followed: &Followed) -> Decided {
    match Report::of_another(followed) {
        Some(report) => Decided::Report(Arc::new(report)),
        None => {
            let pid = followed.pid.map_or(String::new(), |pid| format!(" (process {pid})"));
            let text =
                format!("another `memtrace mitigate`{pid} is running; nothing in its journal yet");
            Decided::Not(text.into())
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::service::sampling::{spawn, spawn_with};
    use memtrace_core::fixture::samples;
    use memtrace_core::live::Control;
    use memtrace_core::policy::{Decisions, Memtrace, Rules};
    use memtrace_core::reactor::{Mode, Reactor};
    use memtrace_core::units::WallNanos;
    use memtrace_store::journal::{Journal, Limits};

    const CONTROL: Control =
        Control { interval: Duration::from_millis(5), detail: None, stop: false };
    const LIMIT: Duration = Duration::from_secs(20);

    fn reason(decided: &Decided) -> &str {
        match decided {
            Decided::Not(reason) => reason,
            Decided::Report(report) => panic!("decided: {report:?}"),
        }
    }

    /// Waits until the decisions of another instance satisfy `is_so`.
    async fn beside(input: &mut ViewInput, is_so: impl Fn(Option<&Decided>) -> bool) {
        let waiting = input.beside.wait_for(|found| is_so(found.as_ref()));
        let found = tokio::time::timeout(LIMIT, waiting).await.expect("in time").map(drop);
        found.expect("the follower runs");
    }

    #[tokio::test]
    async fn decisions_of_another_memtrace_take_precedence_while_it_runs() {
        let directory = tempfile::tempdir().expect("there is room");
        let (mut journal, _) = Journal::open(directory.path(), Limits::default()).expect("opens");
        let follower = Follower::new(directory.path().to_owned(), "/proc/locks".into());
        let handle = spawn(Box::new(samples::Seconds::endless()), CONTROL);
        let mut input =
            ViewInput::beside(handle.clone(), Some("no configuration".into()), follower);
        beside(&mut input, |found| found.is_some()).await;
        assert!(reason(&input.decided()).contains("nothing in its journal yet"));
        let hard =
            Decisions { state: Some(memtrace_core::policy::Level::Hard), ..Decisions::default() };
        journal.note(WallNanos(1), true, &hard, []).expect("it is written");
        beside(&mut input, |found| found.is_some_and(|found| found.report().is_some())).await;
        let decided = input.decided();
        let report = decided.report().expect("it was just there");
        assert_eq!(report.author, Author::Another { pid: Some(std::process::id()) });
        assert_eq!(report.reaction.mode, Mode::Enforce);
        assert_eq!(report.reaction.decisions, hard);
        drop(journal);
        beside(&mut input, |found| found.is_none()).await;
        assert_eq!(reason(&input.decided()), "no configuration");
        handle.stop(LIMIT).await;
    }

    #[tokio::test]
    async fn a_snapshot_has_the_reaction_that_was_made_of_it() {
        let policy = Box::new(Memtrace::new(Rules::default()));
        let handle = spawn_with(
            Box::new(samples::Seconds::endless()),
            Some(Reactor::on_paper(policy)),
            CONTROL,
        );
        let mut input = ViewInput::alone(handle.clone(), None);
        let has_rates = |latest: &Latest| match latest {
            Latest::Snapshot(snapshot) => snapshot.interval.is_some(),
            Latest::Starting | Latest::Waiting(_) | Latest::Failed(_) => false,
        };
        let waiting = tokio::time::timeout(LIMIT, input.handle.latest.wait_for(has_rates));
        let latest = waiting.await.expect("in time").expect("the loop runs").clone();
        let Latest::Snapshot(snapshot) = &latest else { panic!("{latest:?}") };
        let decided = input.decided_of(&latest).await;
        let report = decided.report().expect("there is a reactor");
        assert!(report.at >= snapshot.wall && report.author == Author::Ourselves);
        handle.stop(LIMIT).await;
    }
}
