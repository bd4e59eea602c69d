//! What a view is fed with: the loop's snapshots, and what is decided on this host.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::debug;

use crate::actuate::journal::{Followed, Follower};
use crate::daemon::{Handle, Latest};
use crate::hostfs::HostRoot;
use crate::reactor::{Author, Decided, Report, Step};

/// Where the views get what they show from.
#[derive(Clone, Debug)]
pub struct Feed {
    pub handle: Handle,
    /// What another memtrace says that mitigates here; `None` while there is none.
    pub beside: watch::Receiver<Option<Decided>>,
    /// Why this memtrace itself decides nothing, if that is so.
    idle: Option<Arc<str>>,
    /// The other end of `beside`, where nobody looks for another memtrace.
    _alone: Option<Arc<watch::Sender<Option<Decided>>>>,
}

impl Feed {
    /// Of a loop beside which there is no other memtrace. `idle`: why it has no reactor.
    pub fn alone(handle: Handle, idle: Option<Arc<str>>) -> Self {
        let (alone, beside) = watch::channel(None);
        Self { handle, beside, idle, _alone: Some(Arc::new(alone)) }
    }

    /// Of a loop that only observes, perhaps beside a memtrace that acts, whose journal is in
    /// `directory`. `idle`: why it has no reactor. Looks into the journal once for each
    /// snapshot, on a thread that may wait for a disk. Needs a runtime.
    pub fn beside(
        handle: Handle,
        idle: Option<Arc<str>>,
        directory: PathBuf,
        root: &HostRoot,
    ) -> Self {
        let (tell, beside) = watch::channel(None);
        let follower = Follower::new(directory, root.proc.join("locks"));
        tokio::spawn(follow(handle.latest.clone(), follower, tell));
        Self { handle, beside, idle, _alone: None }
    }

    /// What is decided, as far as is known now. Another memtrace that acts here comes first.
    pub fn decided(&self) -> Decided {
        if let Some(beside) = &*self.beside.borrow() {
            return beside.clone();
        }
        if let Some(step) = &*self.handle.step.borrow() {
            return own(step);
        }
        Decided::Not(self.idle.clone().unwrap_or_else(|| "nothing is decided yet".into()))
    }

    /// The same once the reactor has seen the snapshot of this moment, if there is one.
    pub async fn decided_of(&mut self, latest: &Latest) -> Decided {
        if let (Latest::Snapshot(snapshot), None) = (latest, &self.idle)
            && snapshot.interval.is_some()
        {
            let wall = snapshot.wall;
            let has_seen = |step: &Option<Arc<Step>>| {
                step.as_ref().is_some_and(|step| step.snapshot.wall >= wall)
            };
            // The loop's end is told with the next snapshot.
            let _ = self.handle.step.wait_for(has_seen).await;
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
            debug!("the journal of another memtrace can't be read: {error}");
            let text = format!("whether another memtrace mitigates here can't be told: {error}");
            Some(Decided::Not(text.into()))
        }
    }
}

fn of_another(followed: &Followed) -> Decided {
    match Report::of_another(followed) {
        Some(report) => Decided::Report(Arc::new(report)),
        None => {
            let pid = followed.pid.map_or(String::new(), |pid| format!(" (process {pid})"));
            let text = format!("another memtrace{pid} mitigates here, and has said nothing yet");
            Decided::Not(text.into())
        }
    }
}
