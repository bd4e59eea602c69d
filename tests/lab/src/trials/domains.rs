//! The trials of libvirt domains.

use anyhow::Result;

use super::Trial;
use super::mitigator::How;
use super::stage::{PATIENCE, Stage};
use super::step::{Fate, Order, in_flight, orders};

pub const TRIALS: &[Trial] =
    &[("libvirt's daemon is killed in mid-inflation and started again: memtrace goes on", away)];

const LARGE: &str = "noisy";

fn away(stage: &mut Stage<'_>) -> Result<()> {
    let mut memtrace = stage.greedy_mitigator("daemon", How::Acts)?;
    let order = memtrace.until("an order under way", PATIENCE, |step| in_flight(step, LARGE))?;
    stage.lab.kill_daemon()?;
    memtrace.until("the order to come to an end", PATIENCE, |step| {
        let all = orders(step, LARGE);
        let ended = all.iter().find(|other| other.number == order.number)?;
        (ended.fate != Fate::InFlight).then_some(())
    })?;
    stage.lab.start_daemons()?;
    // Whatever was done meanwhile, there is something to give again.
    let full = stage.guest(LARGE)?.plan.memory_mib;
    let newest = memtrace.until("a step", PATIENCE, |step| Some(last(step)))?;
    stage.guest(LARGE)?.resize(full)?;
    memtrace.until("a newer order that is done", PATIENCE, |step| {
        let newer = |other: &Order| Some(other.number) > newest && other.fate == Fate::Done;
        ["noisy", "victim", "idle"].iter().flat_map(|name| orders(step, name)).find(newer)
    })?;
    memtrace.end().map(drop)
}

/// The number of the newest order.
fn last(step: &serde_json::Value) -> Option<u64> {
    let all = ["noisy", "victim", "idle"].iter().flat_map(|name| orders(step, name));
    all.map(|order| order.number).max()
}
