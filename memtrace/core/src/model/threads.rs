//! Threads of the one VM that a view asked for.

use crate::model::gap::Gap;
use crate::model::pair::Pair;
use crate::model::rates::{Growth, exact, growth};
use crate::model::snapshot::ThreadView;
use crate::sample::ThreadSample;

pub(super) fn threads(pair: &Pair<'_>) -> Option<Vec<ThreadView>> {
    let now = pair.now.threads.as_ref()?;
    Some(now.iter().map(|thread| view(pair, thread)).collect())
}

fn view(pair: &Pair<'_>, now: &ThreadSample) -> ThreadView {
    let before = before(pair, now);
    let grown = |field: fn(&ThreadSample) -> u64| -> Growth {
        exact(before.and_then(|before| growth(Some(field(before)), Some(field(now)))))
    };
    ThreadView {
        tid: now.tid,
        name: now.name.clone(),
        state: now.state,
        cpu: pair.context.share(grown(|thread| thread.cpu_time.0)),
        minor_faults: pair.context.rate(grown(|thread| thread.minor_faults)),
        major_faults: pair.context.rate(grown(|thread| thread.major_faults)),
    }
}

fn before<'a>(pair: &Pair<'a>, now: &ThreadSample) -> Result<&'a ThreadSample, Gap> {
    let threads = pair.before()?.threads.as_ref().ok_or(Gap::NotReadBefore)?;
    threads.iter().find(|thread| thread.tid == now.tid).ok_or(Gap::NewThread)
}
