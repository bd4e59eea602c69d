//! Whether memory that was won back through a VM's cgroup came back in soon: then it wasn't
//! cold, and the VM rests for longer, each time twice as long. That is forgotten over time.

use serde::{Deserialize, Serialize};

use super::observation::VmObservation;
use super::reason::Reason;
use super::rules::Rules;
use super::state::VmState;
use crate::policy::tri_state::bytes_per_second;
use crate::units::{Bytes, Nanos};

const SECOND: u64 = Nanos::SECOND.0;
/// What comes back later than this was cold for long enough to be worth it.
const SOON: Nanos = Nanos(60 * SECOND);
/// So much of what was taken has to come back, one part of so many.
const PART: u64 = 4;
/// The first rest; it doubles each time, so often at most (an hour and four minutes).
const REST: Nanos = Nanos(60 * SECOND);
const DOUBLINGS: u32 = 6;
/// After so long without one, each rest is half as long again.
const FORGOTTEN: Nanos = Nanos(1800 * SECOND);

/// Of the reclaims of a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Taken lately and come back since, of the stretch that began then.
    pub since: Option<Nanos>,
    pub taken: Bytes,
    pub back: Bytes,
    /// How many times in a row it was regretted, and when it last was.
    pub times: u32,
    pub last: Nanos,
}

/// Takes in what came back between two looks. What isn't known has come back.
pub fn follow(
    rules: &Rules,
    memory: &mut VmState,
    before: Option<Nanos>,
    at: Nanos,
    vm: &VmObservation,
) {
    let backoff = &mut memory.backoff;
    let Some(since) = backoff.since.filter(|_| rules.capabilities.swap_in) else { return };
    let passed = before.map_or(0.0, |before| at.saturating_sub(before).seconds());
    let back = match bytes_per_second(vm.swap_in) {
        Some(rate) => Bytes((rate.max(0.0) * passed) as u64),
        None => backoff.taken,
    };
    backoff.back = backoff.back.saturating_add(back);
    if backoff.back.0 >= (backoff.taken.0 / PART).max(1) {
        let times = times(backoff, at).saturating_add(1).min(DOUBLINGS + 1);
        *backoff = Backoff { times, last: at, ..Backoff::default() };
    } else if at.saturating_sub(since) >= SOON {
        *backoff = Backoff { times: backoff.times, last: backoff.last, ..Backoff::default() };
    }
}

/// So much was taken at this moment.
pub fn taken(memory: &mut VmState, at: Nanos, bytes: Bytes) {
    let backoff = &mut memory.backoff;
    (backoff.since, backoff.taken) = (Some(at), backoff.taken.saturating_add(bytes));
}

/// Whether it rests, and why; else `None`.
pub fn rests(memory: &VmState, at: Nanos) -> Option<Reason> {
    let backoff = &memory.backoff;
    let times = times(backoff, at);
    let rest = Nanos(REST.0 << times.checked_sub(1)?.min(DOUBLINGS));
    let since = at.saturating_sub(backoff.last);
    (since < rest).then_some(Reason::Refaulted { since, within: SOON, rest, times })
}

fn times(backoff: &Backoff, at: Nanos) -> u32 {
    let forgotten = at.saturating_sub(backoff.last).0 / FORGOTTEN.0;
    backoff.times.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
}
