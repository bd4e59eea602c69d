//! Back-off of cgroup reclaim: if reclaimed memory of a VM is refaulted soon, it wasn't cold, and
//! the VM's pause doubles each time. The back-off decays over time.

use serde::{Deserialize, Serialize};

use super::observation::VmObservation;
use super::reason::Reason;
use super::rules::Rules;
use super::state::VmState;
use crate::policy::tri_state::bytes_per_second;
use crate::units::{Bytes, Nanos};

const SECOND: u64 = Nanos::SECOND.0;
/// Pages that are refaulted later than this were cold enough.
const SOON: Nanos = Nanos(60 * SECOND);
/// A reclaim failed if at least one part in this many was refaulted.
const PART: u64 = 4;
/// The first pause, and how many times it may double (up to an hour and four minutes).
const REST: Nanos = Nanos(60 * SECOND);
const DOUBLINGS: u32 = 6;
/// Time after which the back-off is halved.
const FORGOTTEN: Nanos = Nanos(1800 * SECOND);

/// Reclaims of one VM and their refaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Begin of the observed stretch, memory reclaimed in it, and memory refaulted since.
    pub since: Option<Nanos>,
    pub taken: Bytes,
    pub back: Bytes,
    /// Failed reclaims in a row, and the time of the last one.
    pub times: u32,
    pub last: Nanos,
}

/// Adds the refaults since the previous step. Unknown refaults count as all of it.
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

/// Notes a reclaim.
pub fn taken(memory: &mut VmState, at: Nanos, bytes: Bytes) {
    let backoff = &mut memory.backoff;
    (backoff.since, backoff.taken) = (Some(at), backoff.taken.saturating_add(bytes));
}

/// The reason why the VM pauses. `None`: it doesn't.
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
