//! What is known of the domains of one libvirt daemon. Sampling reads it and never waits; where the
//! daemon or the helper hangs or goes away, the last answer remains with its age.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::answers::MemoryStats;
use super::helper::Seat;
use super::metadata::Metadata;
use crate::protocol;
use crate::vmm::guest::GuestAnswer;
use crate::vmm::naming::Named;
use memtrace_core::sample::VmState;
use memtrace_core::settings::VmSettings;
use memtrace_core::units::Bytes;

/// Without an answer for this long, libvirt counts as not answering.
const PATIENCE: Duration = Duration::from_secs(6);

/// What is learned of one daemon.
#[derive(Debug)]
pub(super) struct Known {
    learned: Mutex<Learned>,
    /// Who asks it.
    seat: Mutex<Option<Seat>>,
}

#[derive(Debug, Default)]
pub(super) struct Learned {
    /// What is said of a domain that it doesn't have.
    pub(super) unknown: &'static str,
    /// When the list of domains was last complete.
    pub(super) answered: Option<Instant>,
    /// When it was first asked for.
    pub(super) begun: Option<Instant>,
    /// Why there is no connection.
    pub(super) down: Option<String>,
    /// Domains that are asked.
    pub(super) followed: BTreeSet<Uuid>,
    pub(super) domains: BTreeMap<Uuid, Domain>,
}

/// One domain.
#[derive(Clone, Debug, Default)]
pub(super) struct Domain {
    pub(super) answer: GuestAnswer,
    /// Since when an answer about its guest is waited for.
    pub(super) waiting: Option<Instant>,
    /// Its process, as libvirt wrote it down. `None`: not known.
    pub(super) pid: Option<u32>,
    /// What its platform has set for its balloon; memtrace's own metadata go before.
    pub(super) platform: VmSettings,
}

/// What a domain tells beside its state.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) stats: MemoryStats,
    pub(super) metadata: Metadata,
    /// Asked for once.
    pub(super) named: Option<Named>,
}

impl Domain {
    /// Whether process `pid` can be the one that runs it.
    fn may_be(&self, pid: u32) -> bool {
        self.pid.is_none_or(|known| known == pid)
    }

    fn note(&mut self, told: &Told) {
        if let Some(named) = &told.named {
            self.platform = named.settings;
            self.answer.labels = named.labels.clone();
        }
        self.answer.guest.settings = told.metadata.settings.or(self.platform);
        self.answer.guest.metadata_problems.clone_from(&told.metadata.problems);
    }
}

impl Known {
    pub(super) fn new(unknown: &'static str, uuid: Uuid) -> Arc<Self> {
        let followed = [uuid].into();
        let learned = Learned { unknown, followed, ..Learned::default() };
        Arc::new(Self { learned: Mutex::new(learned), seat: Mutex::default() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks it. `None`: nobody yet, or no more.
    pub(super) fn seat(&self) -> Option<Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_seat(&self, seat: Option<Seat>) {
        *self.seat.lock().unwrap_or_else(PoisonError::into_inner) = seat;
    }
}

impl Learned {
    pub(super) fn domain(&self, uuid: Uuid, pid: u32, now: Instant) -> GuestAnswer {
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
    pub(super) fn obstacle(&self, uuid: Uuid, pid: u32, now: Instant) -> Option<String> {
        self.problem(now).or_else(|| match self.domains.get(&uuid) {
            Some(domain) if !domain.may_be(pid) => {
                let known = domain.pid.unwrap_or_default();
                Some(format!("its domain with this UUID is process {known}, not this one"))
            }
            Some(domain) => {
                let text = silence(domain.waiting?, now)?;
                Some(format!("this domain is {text}"))
            }
            None if self.answered.is_some() => Some(self.unknown.to_owned()),
            None => Some("no answer yet".to_owned()),
        })
    }

    /// Notes the list, which was asked for when `asked` were followed.
    pub(super) fn note_list(
        &mut self,
        listed: Vec<protocol::Domain>,
        asked: &BTreeSet<Uuid>,
        now: Instant,
    ) {
        let listed: BTreeMap<Uuid, protocol::Domain> = listed
            .into_iter()
            .filter(|domain| asked.contains(&domain.uuid))
            .map(|domain| (domain.uuid, domain))
            .collect();
        self.answered = Some(now);
        self.down = None;
        self.domains.retain(|uuid, _| listed.contains_key(uuid));
        // One that is new since then isn't in the list yet.
        self.followed.retain(|uuid| listed.contains_key(uuid) || !asked.contains(uuid));
        for domain in listed.values() {
            self.note_domain(domain, now);
        }
    }

    fn note_domain(&mut self, listed: &protocol::Domain, now: Instant) {
        let domain = self.domains.entry(listed.uuid).or_default();
        domain.pid = listed.pid;
        domain.answer.state = state(listed.state);
        domain.answer.guest.maximum = Some(Bytes::from_kib(listed.maximum));
        // Without a balloon this is the maximum, which is right too.
        domain.answer.guest.actual = Some(Bytes::from_kib(listed.memory));
        // Its statistics are asked for next.
        domain.waiting.get_or_insert(now);
    }

    /// Notes what a domain tells, or why it doesn't.
    pub(super) fn note_stats(&mut self, uuid: Uuid, told: Result<Told, String>) {
        let Some(domain) = self.domains.get_mut(&uuid) else { return };
        domain.waiting = None;
        match told {
            Ok(told) => {
                domain.note(&told);
                let guest = &mut domain.answer.guest;
                guest.actual = told.stats.actual.or(guest.actual);
                guest.problem = told.stats.guest.is_none().then(|| {
                    "no balloon statistics from the guest: no device, no driver, or not yet"
                        .to_owned()
                });
                guest.stats = told.stats.guest;
            }
            Err(error) => domain.answer.guest.problem = Some(format!("libvirt: {error}")),
        }
    }

    /// Nobody is waited for any more, but for those of `hanging`.
    pub(super) fn forget_waits(&mut self, hanging: &BTreeSet<Uuid>) {
        for (uuid, domain) in &mut self.domains {
            if !hanging.contains(uuid) {
                domain.waiting = None;
            }
        }
    }

    pub(super) fn problem(&self, now: Instant) -> Option<String> {
        let since = self.answered.or(self.begun);
        match (&self.down, since) {
            (Some(down), _) => Some(down.clone()),
            (None, Some(since)) => silence(since, now),
            (None, None) => None,
        }
    }
}

/// Whether somebody still reads what is learned.
pub(super) fn is_read(known: &Weak<Known>) -> bool {
    known.strong_count() > 0
}

/// "not answering since 7 s", when that is so.
fn silence(since: Instant, now: Instant) -> Option<String> {
    let silent = now.saturating_duration_since(since);
    (silent > PATIENCE).then(|| format!("not answering since {} s", silent.as_secs()))
}

/// By the numbers of `virDomainState`.
fn state(number: u32) -> Option<VmState> {
    Some(match number {
        // Running, or blocked on something.
        1 | 2 => VmState::Running,
        // Paused, or suspended by its guest.
        3 | 7 => VmState::Paused,
        4 => VmState::ShuttingDown,
        5 => VmState::Exiting,
        6 => VmState::Crashed,
        _ => return None,
    })
}
