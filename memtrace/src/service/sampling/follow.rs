//! The loop whose samples another memtrace takes: it shows each that is due as it comes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use super::{Handle, Publisher, ReactorStage, SLICE, start};
use memtrace_core::anchors::is_due;
use memtrace_core::live::Control;
use memtrace_core::model::derive;
use memtrace_core::reactor::Reactor;
use memtrace_core::sample::Sample;

/// Samples that come from elsewhere.
pub(crate) trait Incoming: Send {
    /// The next sample, waiting no longer than `most` for it to begin. `None`: not yet.
    ///
    /// # Errors
    /// When there will be no more, with the reason; those of another memtrace may follow.
    fn next_within(&mut self, most: Duration) -> Result<Option<Sample>>;

    /// Whether others may follow, which are waited for.
    fn comes_back(&self) -> bool {
        false
    }
}

/// Starts a loop that ends as one of [`super::spawn`]. `reactor` makes one for the capabilities in
/// the first sample of each memtrace. The interval is the least between two snapshots; the threads
/// of a VM can't be asked for.
pub(crate) fn follow(
    incoming: Box<dyn Incoming>,
    reactor: impl Fn(&Sample) -> Option<Reactor> + Send + 'static,
    control: Control,
) -> Handle {
    start(control, move |publisher, tell, asked| {
        let mut stage = ReactorStage { reactor: None, tell };
        run(&publisher, &mut stage, &asked, incoming, reactor);
    })
}

fn run(
    publisher: &Publisher,
    stage: &mut ReactorStage,
    asked: &watch::Receiver<Control>,
    mut incoming: Box<dyn Incoming>,
    reactor: impl Fn(&Sample) -> Option<Reactor>,
) {
    let mut shown: Option<Arc<Sample>> = None;
    // The sender goes with the last handle.
    while asked.has_changed().is_ok() && !asked.borrow().stop {
        let now = match incoming.next_within(SLICE) {
            Ok(None) => continue,
            Ok(Some(sample)) => Arc::new(sample),
            Err(error) if incoming.comes_back() => {
                publisher.waiting(format!("{error:#}"));
                // The next one's counters and clock aren't this one's.
                shown = None;
                continue;
            }
            Err(error) => return publisher.failed(format!("{error:#}")),
        };
        let interval = asked.borrow().interval;
        if shown.as_ref().is_some_and(|shown| !is_due(shown.at, now.at, interval)) {
            continue;
        }
        if shown.is_none() {
            stage.reactor = reactor(&now);
        }
        let snapshot = Arc::new(derive(shown.as_deref(), &now));
        publisher.snapshot(&now, Arc::clone(&snapshot));
        // Without a sample before it there are no rates to decide by.
        if shown.is_some() {
            stage.react(&now, snapshot);
        }
        shown = Some(now);
    }
}
