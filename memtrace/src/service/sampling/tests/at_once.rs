//! From an event of the kernel side to a step of the reactor, through the whole loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use memtrace_core::live::{Control, Latest};
use memtrace_core::policy::Memtrace;
use memtrace_core::reactor::{Reactor, Step};
use memtrace_core::units::Nanos;
use memtrace_ebpf::{
    EVENT_DIRECT_RECLAIM, EVENT_KSWAPD, EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM, EVENT_OOM_KILL,
    Event,
};
use memtrace_host::live::fake::{host, source};

use crate::service::sampling::{Handle, spawn_with};

/// Between two ticks.
const MINUTE: Duration = Duration::from_secs(60);
/// Longest that anything here may take, long before the next tick. Nothing waits for it
/// unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn first_tick(handle: &mut Handle) {
    let shown = |latest: &Latest| matches!(latest, Latest::Snapshot(_));
    within_patience(async { handle.latest.wait_for(shown).await.is_ok() });
}

fn next_step(handle: &mut Handle) -> Arc<Step> {
    within_patience(async { handle.step.changed().await.is_ok() });
    handle.step.borrow_and_update().clone().expect("there is a step")
}

fn within_patience(awaited: impl Future<Output = bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let done = runtime
        .expect("a runtime starts")
        .block_on(async { tokio::time::timeout(PATIENCE, awaited).await });
    assert_eq!(done, Ok(true), "the loop comes to it in time, and lives");
}

#[test]
fn pressure_is_decided_by_at_once_where_the_tick_is_a_minute() {
    let host = host();
    let (source, remote) = source(&host);
    let reactor = Reactor::on_paper(Box::new(Memtrace::default()));
    let control = Control { interval: MINUTE, detail: None, stop: false };
    let begun = Instant::now();
    let mut handle = spawn_with(Box::new(source), Some(reactor), control);
    first_tick(&mut handle);
    assert!(handle.step.borrow().is_none(), "one look alone has no rates to decide by");
    for kind in
        [EVENT_KSWAPD, EVENT_DIRECT_RECLAIM, EVENT_MEMCG_RECLAIM, EVENT_LONG_STALL, EVENT_OOM_KILL]
    {
        remote.send(Event { kind, tgid: 50, ..Event::default() });
        let step = next_step(&mut handle);
        let interval = step.snapshot.interval.expect("it decides by rates");
        assert!(interval < Nanos(MINUTE.as_nanos() as u64), "event {kind}: {interval:?}");
    }
    // No tick has passed: what views see is still the first look.
    let latest = handle.latest.borrow().clone();
    assert!(matches!(latest, Latest::Snapshot(shown) if shown.interval.is_none()));
    assert!(begun.elapsed() < MINUTE);
}
