//! What memtrace took from VMs and did not give back: passed to the next run, given back at the
//! end, and dropped when it no longer applies.

use std::collections::BTreeMap;

use super::{Owed, Reactor};
use crate::policy::{Action, Decisions, Observation, Taken};
use crate::reactor::entry::{Begun, Holding};
use crate::sample::Sample;
use crate::units::Nanos;

/// A VM that is missing for this long is gone.
const GONE: Nanos = Nanos(30 * Nanos::SECOND.0);

/// For a policy that starts now: what the journal says was taken, less that of VMs which
/// restarted meanwhile. An order in flight gives the balloon's target.
pub fn taken(holdings: &[Holding], in_flight: &[Begun], sample: &Sample) -> Vec<Taken> {
    let sent = |held: &Holding| {
        let orders = in_flight.iter().rev().filter(|begun| begun.order.vm == held.vm);
        let mut ways = orders.filter_map(|begun| match begun.order.action {
            Action::Balloon { to, .. } => Some(to),
            Action::Reclaim { .. } => None,
        });
        held.now.or_else(|| ways.next())
    };
    let holdings = holdings.iter().filter(|held| !has_restarted(held, sample));
    holdings.map(|held| Taken { vm: held.vm, before: held.before, sent: sent(held) }).collect()
}

/// It has the same identity and is another process.
fn has_restarted(held: &Holding, sample: &Sample) -> bool {
    let now = sample.vms.iter().find(|vm| vm.id == held.vm);
    matches!((now, held.pid), (Some(now), Some(pid)) if now.pid != pid)
}

impl Reactor {
    /// The decisions; and at the end, what is still owed.
    pub(super) fn decide(&mut self, observation: &Observation) -> (Decisions, Option<Vec<Owed>>) {
        if !self.leaving || !self.is_acting() {
            let owed = self.leaving.then(Vec::new);
            let decisions =
                if self.leaving { Decisions::default() } else { self.policy.step(observation) };
            return (decisions, owed);
        }
        let holdings = self.ledger.holdings();
        let taken = |held: &Holding| Taken { vm: held.vm, before: held.before, sent: held.now };
        let taken: Vec<Taken> = holdings.iter().map(taken).collect();
        let given_back = self.policy.part(observation, &taken);
        let owed = given_back.short.into_iter().map(|short| {
            let held = holdings.iter().find(|held| held.vm == short.vm);
            Owed {
                name: held.map(|held| held.name.clone()).unwrap_or_default(),
                bytes: short.bytes,
                reason: short.reason,
                waits: short.waits,
            }
        });
        (given_back.decisions, Some(owed.collect()))
    }

    /// Drops what was taken from VMs that are gone or restarted, or whose balloon another program
    /// moved.
    pub(super) fn let_go(&mut self, sample: &Sample) {
        let mut absent = BTreeMap::new();
        for held in self.ledger.holdings() {
            let vm = held.vm;
            let is_there = sample.vms.iter().any(|now| now.id == vm);
            let why = if !is_there {
                let since = self.absent.get(&vm).copied().unwrap_or(sample.at);
                absent.insert(vm, since);
                (sample.at.saturating_sub(since) >= GONE).then_some("the VM is gone")
            } else if has_restarted(&held, sample) {
                Some("the VM restarted")
            } else {
                (!self.policy.holds(vm, held.before)).then_some("another program moved its balloon")
            };
            if let Some(why) = why {
                tracing::warn!("memory taken from {} will not be given back: {why}", held.name);
                match self.ledger.forget(sample.wall, vm) {
                    Ok(()) => drop(absent.remove(&vm)),
                    Err(error) => self.keep_problem(Err(error)),
                }
            }
        }
        self.absent = absent;
    }
}
