//! Orders in flight: one per VM, each with a deadline. A late answer only frees the VM for the next
//! order.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::vmm::order::Reply;
use memtrace_core::order::{Failure, Order, Outcome};
use memtrace_core::sample::VmId;

/// An order without an answer for this long counts as failed. Longer than QMP's timeout (6 s) and
/// the time limit of a reclaim (5 s).
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct InFlight {
    by_vm: BTreeMap<VmId, Pending>,
    send: Sender<(VmId, Outcome)>,
    answers: Receiver<(VmId, Outcome)>,
    ended: Vec<Outcome>,
}

#[derive(Debug)]
struct Pending {
    id: u64,
    since: Instant,
    /// Reported as failed.
    given_up: bool,
}

impl Default for InFlight {
    fn default() -> Self {
        let (send, answers) = channel();
        Self { by_vm: BTreeMap::new(), send, answers, ended: Vec::new() }
    }
}

impl InFlight {
    /// The receiver of the answer to `order`. `None`: it can't start, which is reported as its
    /// outcome.
    pub(super) fn open(&mut self, order: &Order, now: Instant) -> Option<Reply> {
        self.collect();
        let (vm, id) = (order.vm, order.id);
        if let Some(before) = self.by_vm.get(&vm) {
            let text = format!("order {} for this VM is still in progress", before.id);
            let result = Err(Failure::Reported(text));
            self.ended.push(Outcome { id, result });
            return None;
        }
        self.by_vm.insert(vm, Pending { id, since: now, given_up: false });
        let send = self.send.clone();
        // No receiver: memtrace is exiting.
        Some(Reply::new(move |result| {
            let result = result.map_err(Failure::Reported);
            drop(send.send((vm, Outcome { id, result })));
        }))
    }

    /// The outcomes since the last call.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<Outcome> {
        self.collect();
        for order in self.by_vm.values_mut() {
            let waited = now.saturating_duration_since(order.since);
            if !order.given_up && waited >= PATIENCE {
                order.given_up = true;
                let seconds = waited.as_secs();
                let text = format!("no answer within {seconds} s; outcome unknown");
                let result = Err(Failure::Reported(text));
                self.ended.push(Outcome { id: order.id, result });
            }
        }
        std::mem::take(&mut self.ended)
    }

    fn collect(&mut self) {
        for (vm, outcome) in self.answers.try_iter() {
            let order = self.by_vm.remove(&vm);
            if order.is_some_and(|order| !order.given_up) {
                self.ended.push(outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::policy::Action;
    use memtrace_core::units::Bytes;

    const fn order(id: u64, pid: u32) -> Order {
        let vm = VmId::Process { pid, start: 1 };
        let action = Action::Reclaim { bytes: Bytes(1) };
        Order { id, vm, pid, name: String::new(), action }
    }

    const fn done(id: u64) -> Outcome {
        Outcome { id, result: Ok(()) }
    }

    #[test]
    fn a_vm_has_one_order_under_way_and_others_are_not_held_up() {
        let (mut in_flight, now) = (InFlight::default(), Instant::now());
        let first = in_flight.open(&order(1, 1), now).unwrap();
        assert!(in_flight.open(&order(2, 1), now).is_none());
        let other = in_flight.open(&order(3, 2), now).unwrap();
        let text = "order 1 for this VM is still in progress".to_owned();
        assert_eq!(in_flight.ended(now), [Outcome { id: 2, result: Err(Failure::Reported(text)) }]);
        other.send(Ok(()));
        first.send(Ok(()));
        assert_eq!(in_flight.ended(now), [done(3), done(1)]);
        assert_eq!(in_flight.ended(now), []);
        in_flight.open(&order(4, 1), now).unwrap().send(Ok(()));
        assert_eq!(in_flight.ended(now), [done(4)]);
    }

    #[test]
    fn a_late_order_is_reported_once_and_blocks_its_vm_until_it_answers() {
        let (mut in_flight, now) = (InFlight::default(), Instant::now());
        let late = in_flight.open(&order(1, 1), now).unwrap();
        assert_eq!(in_flight.ended(now + PATIENCE - Duration::from_millis(1)), []);
        let ended = in_flight.ended(now + PATIENCE);
        assert!(
            matches!(&ended[..], [Outcome { id: 1, result: Err(Failure::Reported(text)) }] if text.contains("10 s"))
        );
        assert_eq!(in_flight.ended(now + PATIENCE * 2), []);
        assert!(in_flight.open(&order(2, 1), now + PATIENCE).is_none());
        assert_eq!(in_flight.ended(now).len(), 1);
        late.send(Ok(()));
        assert_eq!(in_flight.ended(now + PATIENCE * 3), []);
        assert!(in_flight.open(&order(3, 1), now + PATIENCE * 3).is_some());
    }

    #[test]
    fn an_order_that_is_dropped_ends() {
        let (mut in_flight, now) = (InFlight::default(), Instant::now());
        drop(in_flight.open(&order(1, 1), now));
        assert!(in_flight.ended(now)[0].result.is_err());
    }
}
