//! libvirt: polls the VMs that it manages. The library blocks, so it has its own threads (in
//! `connection`, with the cargo feature `libvirt`); results are stored here, and sampling never
//! waits. When libvirtd hangs or goes away, the last answer remains with its age.

#[cfg(any(test, feature = "libvirt"))]
mod answers;
#[cfg(feature = "libvirt")]
mod connection;
#[cfg(any(test, feature = "fixture", feature = "libvirt"))]
pub(crate) mod devices;
pub mod inspect;
#[cfg(any(test, feature = "fixture", feature = "libvirt"))]
pub(crate) mod metadata;
mod orders;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fixture", feature = "libvirt"))]
pub(super) mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

pub use self::orders::LibvirtOrders;
use super::guest::GuestAnswer;

/// Without an answer for this long, libvirt counts as not answering.
const PATIENCE: Duration = Duration::from_secs(6);

/// That a domain isn't one of this host's.
pub(super) const UNKNOWN: &str = "unknown to qemu:///system";

/// The connection to qemu:///system. Made when the first VM that libvirt owns is seen; a
/// host without any never bothers libvirt.
#[derive(Debug, Default)]
pub struct Libvirt {
    known: Option<Arc<Known>>,
    orders: LibvirtOrders,
}

/// What the threads have learned.
#[derive(Debug, Default)]
pub struct Known(Mutex<Learned>);

#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// When the list of domains was last complete.
    answered: Option<Instant>,
    /// When it was first asked for.
    begun: Option<Instant>,
    /// Why there is no connection.
    down: Option<String>,
    /// Domains that are asked.
    followed: BTreeSet<Uuid>,
    domains: BTreeMap<Uuid, Domain>,
}

/// One domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domain {
    answer: GuestAnswer,
    /// Since when an answer about its guest is waited for.
    waiting: Option<Instant>,
    /// Its process, as libvirt wrote it down. `None`: not known.
    pid: Option<u32>,
    /// What its platform has set for its balloon; memtrace's own metadata go before.
    #[cfg(feature = "libvirt")]
    platform: memtrace_core::settings::VmSettings,
}

impl Domain {
    /// Whether process `pid` can be the one that runs it.
    fn may_be(&self, pid: u32) -> bool {
        self.pid.is_none_or(|known| known == pid)
    }
}

impl Known {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Libvirt {
    /// Polls this domain. The first one makes the connection, in the background.
    pub fn follow(&mut self, uuid: Uuid) {
        let known = self.known.get_or_insert_with(|| {
            let known = Arc::new(Known::default());
            known.lock().followed.insert(uuid);
            start_threads(&known);
            self.orders.follow(&known);
            known
        });
        known.lock().followed.insert(uuid);
    }

    /// Stops polling it.
    pub fn leave(&mut self, uuid: Uuid) {
        if let Some(known) = &self.known {
            known.lock().followed.remove(&uuid);
        }
    }

    /// For balloon commands, on any thread.
    pub fn orders(&self) -> LibvirtOrders {
        self.orders.clone()
    }

    /// The last answer about the domain, if process `pid` is the one that runs it. Never blocks.
    pub fn answer(&self, uuid: Uuid, pid: u32) -> GuestAnswer {
        let now = Instant::now();
        self.known.as_ref().map_or_else(
            || GuestAnswer::problem("libvirt: no query yet"),
            |known| known.lock().domain(uuid, pid, now),
        )
    }

    /// The problem with the connection, for the operator.
    pub fn problem(&self) -> Option<String> {
        self.known.as_ref()?.lock().problem(Instant::now())
    }
}

#[cfg(feature = "libvirt")]
fn start_threads(known: &Arc<Known>) {
    connection::start(Arc::downgrade(known));
}

#[cfg(not(feature = "libvirt"))]
fn start_threads(known: &Arc<Known>) {
    known.lock().down = Some("memtrace was built without libvirt".to_owned());
}

impl Learned {
    fn domain(&self, uuid: Uuid, pid: u32, now: Instant) -> GuestAnswer {
        let obstacle = self.obstacle(uuid, pid, now).map(|text| format!("libvirt: {text}"));
        let known = self.domains.get(&uuid).filter(|domain| domain.may_be(pid));
        let mut answer = known.map(|domain| domain.answer.clone()).unwrap_or_default();
        if obstacle.is_some() {
            answer.guest.problem = obstacle;
            // The statistics carry their own time; a state would pass as today's.
            answer.state = None;
        }
        answer
    }

    /// Why nothing is known of the domain that process `pid` says to be.
    fn obstacle(&self, uuid: Uuid, pid: u32, now: Instant) -> Option<String> {
        self.problem(now).or_else(|| match self.domains.get(&uuid) {
            Some(domain) if !domain.may_be(pid) => {
                let known = domain.pid.unwrap_or_default();
                Some(format!("its domain with this UUID is process {known}, not this one"))
            }
            Some(domain) => {
                let text = silence(domain.waiting?, now)?;
                Some(format!("this domain is {text}"))
            }
            None if self.answered.is_some() => Some(UNKNOWN.to_owned()),
            None => Some("no answer yet".to_owned()),
        })
    }

    fn problem(&self, now: Instant) -> Option<String> {
        let since = self.answered.or(self.begun);
        match (&self.down, since) {
            (Some(down), _) => Some(down.clone()),
            (None, Some(since)) => silence(since, now),
            (None, None) => None,
        }
    }
}

/// "not answering since 7 s", when that is so.
fn silence(since: Instant, now: Instant) -> Option<String> {
    let silent = now.saturating_duration_since(since);
    (silent > PATIENCE).then(|| format!("not answering since {} s", silent.as_secs()))
}
