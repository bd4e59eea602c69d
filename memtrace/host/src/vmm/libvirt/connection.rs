//! The threads that talk to libvirt. One lists the domains; their statistics, for which
//! libvirt waits for each domain's monitor, are read by a few others, so that a domain
//! that hangs holds up one of those and not the list. All end when
//! their results have no reader any more; one that hangs in libvirt ends with the process.
//!
//! Each thread has a connection of its own: libvirt allows many threads on one, but before
//! 10.1 a request could stay unsent while another thread waits there (seen with 9.0: a
//! domain whose QEMU was stopped silenced the list).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::{Domain, DomainInfo, DomainState};
use virt::enumutil::Enum;
use virt::error::{Error, ErrorNumber};
use virt::sys;

use super::answers::MemoryStats;
use super::devices::Devices;
use super::metadata::{Metadata, NAMESPACE};
use super::{Known, Learned};
use crate::hostfs::read;
use crate::vmm::guest::PERIOD_SECONDS;
use crate::vmm::naming::Named;
use crate::vmm::naming::metadata::of_domain;
use memtrace_core::sample::VmState;
use memtrace_core::units::Bytes;

const URI: &str = "qemu:///system";
/// Where qemu:///system keeps the ids of its processes.
const PIDS: &str = "/run/libvirt/qemu";
const PERIOD: Duration = Duration::from_secs(PERIOD_SECONDS as u64);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// libvirtd lets a client have five requests under way (`max_client_requests`).
const WORKERS: usize = 3;
/// Most domains whose statistics wait for a worker.
const QUEUE: usize = 1024;

/// A domain whose statistics should be read.
struct Job {
    uuid: Uuid,
    /// Whether statistics polling is on has not been checked yet.
    first: bool,
}

pub(super) fn start(known: Weak<Known>) {
    // Its default is to print each error to stderr, into the middle of the screen.
    virt::error::clear_error_callback();
    let (jobs, queue) = sync_channel(QUEUE);
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..WORKERS {
        let (known, queue) = (known.clone(), Arc::clone(&queue));
        spawn(known.clone(), move || work(&known, &queue));
    }
    spawn(known.clone(), move || list_forever(&known, &jobs));
}

fn spawn(known: Weak<Known>, run: impl FnOnce() + Send + 'static) {
    let spawned = thread::Builder::new().name("memtrace-libvirt".to_owned()).spawn(run);
    if let (Err(error), Some(known)) = (spawned, known.upgrade()) {
        known.lock().down = Some(format!("cannot start a thread: {error}"));
    }
}

fn list_forever(known: &Weak<Known>, jobs: &SyncSender<Job>) {
    let mut wait = PERIOD;
    loop {
        let Some(now) = known.upgrade() else { return };
        now.lock().begun.get_or_insert_with(Instant::now);
        drop(now);
        match connect() {
            Ok(connection) => {
                wait = PERIOD;
                let Err(error) = list_while_connected(known, jobs, &connection) else {
                    return;
                };
                note_down(known, &error);
            }
            Err(error) => {
                note_down(known, &error);
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            }
        }
        thread::sleep(wait);
    }
}

/// To set the period of statistics takes more rights than to read them; without those it
/// fails, and nothing else does.
pub(super) fn connect() -> Result<Connect, Error> {
    Connect::open(Some(URI)).or_else(|_| Connect::open_read_only(Some(URI)))
}

/// Returns when there is no reader any more.
fn list_while_connected(
    known: &Weak<Known>,
    jobs: &SyncSender<Job>,
    connection: &Connect,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    loop {
        let mut listed = BTreeMap::new();
        let domains = connection.list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE)?;
        let Some(followed) = known.upgrade().map(|known| known.lock().followed.clone()) else {
            return Ok(());
        };
        for domain in domains {
            let uuid = domain.uuid()?;
            if !followed.contains(&uuid) {
                continue;
            }
            // A domain that ended just now is no failure.
            if let Ok(info) = domain.info() {
                listed.insert(uuid, (info, process(&domain)));
            }
        }
        let Some(known) = known.upgrade() else { return Ok(()) };
        let mut learned = known.lock();
        let now = Instant::now();
        learned.answered = Some(now);
        learned.down = None;
        learned.domains.retain(|uuid, _| listed.contains_key(uuid));
        // One that is new since then isn't in the list yet.
        learned.followed.retain(|uuid| listed.contains_key(uuid) || !followed.contains(uuid));
        seen.retain(|uuid| listed.contains_key(uuid));
        for (uuid, (info, pid)) in listed {
            let due = learned.note_info(uuid, &info, now);
            if let Some(domain) = learned.domains.get_mut(&uuid) {
                domain.pid = pid;
            }
            if due {
                let job = Job { uuid, first: seen.insert(uuid) };
                if jobs.try_send(job).is_err() {
                    learned.note_stats(
                        uuid,
                        Err("too many domains are waiting for an answer".to_owned()),
                    );
                }
            }
        }
        drop(learned);
        drop(known);
        thread::sleep(PERIOD);
    }
}

/// The process of a domain: libvirt's API doesn't tell it, its daemon writes it into a file
/// (src/qemu/qemu_process.c).
pub(super) fn process(domain: &Domain) -> Option<u32> {
    let name = domain.name().ok().filter(|name| !name.contains('/'))?;
    let path = Path::new(PIDS).join(format!("{name}.pid"));
    read::text(&path, read::SMALL).ok()?.trim().parse().ok()
}

fn note_down(known: &Weak<Known>, error: &Error) {
    if let Some(known) = known.upgrade() {
        known.lock().down = Some(describe(error));
    }
}

fn work(known: &Weak<Known>, queue: &Mutex<Receiver<Job>>) {
    let mut connection = None;
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let stats = ask(&mut connection, &job).map_err(|error| {
            // Whatever it was: a new connection is cheap, and a dead one stays dead.
            connection = None;
            describe(&error)
        });
        let Some(known) = known.upgrade() else { return };
        let mut learned = known.lock();
        if let (Some(domain), Ok(told)) = (learned.domains.get_mut(&job.uuid), &stats) {
            domain.note(told);
        }
        learned.note_stats(job.uuid, stats.map(|told| told.stats));
    }
}

/// What a domain tells beside its state.
struct Told {
    stats: MemoryStats,
    metadata: Metadata,
    /// Asked for once.
    named: Option<Named>,
}

impl super::Domain {
    fn note(&mut self, told: &Told) {
        if let Some(named) = &told.named {
            self.platform = named.settings;
            self.answer.labels = named.labels.clone();
        }
        self.answer.guest.settings = told.metadata.settings.or(self.platform);
        self.answer.guest.metadata_problems.clone_from(&told.metadata.problems);
    }
}

fn ask(connection: &mut Option<Connect>, job: &Job) -> Result<Told, Error> {
    let connection = match connection.take() {
        Some(open) => connection.insert(open),
        None => connection.insert(connect()?),
    };
    let domain = connection.lookup_domain_by_uuid(job.uuid)?;
    let mut named = None;
    if job.first {
        let xml = domain.xml_desc(0).ok();
        switch_statistics_on(&domain, xml.as_deref());
        named = xml.and_then(|xml| of_domain(&xml));
    }
    let metadata = metadata(&domain)?;
    let stats = domain.memory_stats(0)?;
    let stats = MemoryStats::new(stats.iter().map(|stat| (stat.tag, stat.val)));
    Ok(Told { stats, metadata, named })
}

/// Of a domain that runs, what holds now (`--live`); most have none.
pub(super) fn metadata(domain: &Domain) -> Result<Metadata, Error> {
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or_default();
    match domain.metadata(kind, Some(NAMESPACE), sys::VIR_DOMAIN_AFFECT_CURRENT) {
        Ok(xml) => Ok(Metadata::parse(&xml)),
        Err(error) if matches!(error.code(), Enum::Known(ErrorNumber::NoDomainMetadata)) => {
            Ok(Metadata::default())
        }
        Err(error) => Err(error),
    }
}

/// Where that fails, the missing statistics say so.
fn switch_statistics_on(domain: &Domain, xml: Option<&str>) {
    let devices = xml.and_then(|xml| Devices::parse(xml).ok());
    let balloon = devices.and_then(|devices| devices.balloon);
    if balloon.is_some_and(|balloon| balloon.period == 0) {
        let period = i32::try_from(PERIOD_SECONDS).unwrap_or(i32::MAX);
        let _ = domain.set_memory_stats_period(period, sys::VIR_DOMAIN_AFFECT_LIVE);
    }
}

impl Learned {
    /// Whether its statistics should be asked for now.
    fn note_info(&mut self, uuid: Uuid, info: &DomainInfo, now: Instant) -> bool {
        let domain = self.domains.entry(uuid).or_default();
        domain.answer.state = state(info);
        domain.answer.guest.maximum = Some(Bytes::from_kib(info.max_mem));
        // Without a balloon this is the maximum, which is right too.
        domain.answer.guest.actual = Some(Bytes::from_kib(info.memory));
        let idle = domain.waiting.is_none();
        domain.waiting.get_or_insert(now);
        idle
    }

    fn note_stats(&mut self, uuid: Uuid, stats: Result<MemoryStats, String>) {
        let Some(domain) = self.domains.get_mut(&uuid) else { return };
        domain.waiting = None;
        let guest = &mut domain.answer.guest;
        match stats {
            Ok(stats) => {
                guest.actual = stats.actual.or(guest.actual);
                guest.problem = stats.guest.is_none().then(|| {
                    "no balloon statistics from the guest: no device, no driver, or not yet"
                        .to_owned()
                });
                guest.stats = stats.guest;
            }
            Err(error) => guest.problem = Some(format!("libvirt: {error}")),
        }
    }
}

fn state(info: &DomainInfo) -> Option<VmState> {
    let Enum::Known(state) = info.state else { return None };
    Some(match state {
        DomainState::Running | DomainState::Blocked => VmState::Running,
        DomainState::Paused | DomainState::PMSuspended => VmState::Paused,
        DomainState::Shutdown => VmState::ShuttingDown,
        DomainState::Shutoff => VmState::Exiting,
        DomainState::Crashed => VmState::Crashed,
        DomainState::NoState => return None,
    })
}

pub(super) fn describe(error: &Error) -> String {
    crate::vmm::name::display(error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the domain of libvirt's own mock driver.
    #[test]
    fn metadata_that_was_set_is_read() {
        virt::error::clear_error_callback();
        let connection = Connect::open(Some("test:///default")).unwrap();
        let domain = connection.lookup_domain_by_name("test").unwrap();
        assert_eq!(metadata(&domain).unwrap(), Metadata::default());
        let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap();
        let set = |xml| {
            let (key, uri) = (Some("memtrace"), Some(NAMESPACE));
            domain.set_metadata(kind, xml, key, uri, sys::VIR_DOMAIN_AFFECT_LIVE).unwrap();
        };
        set(Some("<balloon minimum='1GiB' weight='many'/>"));
        let read = metadata(&domain).unwrap();
        assert_eq!(read.settings.minimum, Some(Bytes(1 << 30)));
        assert_eq!(read.problems.len(), 1);
        assert!(read.problems[0].starts_with("weight: "), "{:?}", read.problems);
        set(None);
        assert_eq!(metadata(&domain).unwrap(), Metadata::default());
    }
}
