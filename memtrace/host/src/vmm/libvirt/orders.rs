//! Balloon commands to domains. They go to the thread of the helper that asks the domain's daemon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use uuid::Uuid;

use super::helper::Message;
use super::known::Known;
use crate::vmm::order::SetBalloon;

/// Takes balloon commands for domains. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct LibvirtOrders(Arc<Mutex<Daemons>>);

#[derive(Debug, Default)]
struct Daemons {
    /// Empty as long as no VM needs it.
    system: Weak<Known>,
    /// Of users and in containers, by the VM's process.
    own: BTreeMap<u32, Weak<Known>>,
}

impl LibvirtOrders {
    fn lock(&self) -> MutexGuard<'_, Daemons> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn follow_system(&self, known: &Arc<Known>) {
        self.lock().system = Arc::downgrade(known);
    }

    pub(super) fn follow_own(&self, pid: u32, known: &Arc<Known>) {
        self.lock().own.insert(pid, Arc::downgrade(known));
    }

    pub(super) fn forget(&self, pid: u32) {
        self.lock().own.remove(&pid);
    }

    /// Sets the live size (`virDomainSetMemoryFlags`) of the domain that process `pid` runs. Never
    /// blocks; the outcome goes to `order.reply`.
    pub fn send(&self, uuid: Uuid, pid: u32, order: SetBalloon) {
        let daemons = self.lock();
        let known = daemons.own.get(&pid).unwrap_or(&daemons.system).upgrade();
        drop(daemons);
        let obstacle = match &known {
            Some(known) => known.lock().obstacle(uuid, pid, Instant::now()),
            None => Some("no query yet".to_owned()),
        };
        let seat = known.and_then(|known| known.seat());
        let refused = match (obstacle, seat) {
            (Some(obstacle), _) => Some((order, obstacle)),
            (None, None) => Some((order, "not connected".to_owned())),
            (None, Some(seat)) => {
                match seat.inbox.leave(Message::Order(seat.number, uuid, order)) {
                    Err(Message::Order(_, _, order)) => {
                        Some((order, "too much waits for its helper".to_owned()))
                    }
                    _ => None,
                }
            }
        };
        if let Some((order, why)) = refused {
            order.reply.send(Err(format!("libvirt: {why}")));
        }
    }
}
