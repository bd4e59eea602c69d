//! Connections to libvirt's daemons. Each request has one to itself: libvirt allows many threads on
//! one, but before 10.1 a request could stay unsent while another thread waits there (seen with
//! 9.0: a domain whose QEMU was stopped silenced all others).

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memtrace_host::protocol::SYSTEM;
use virt::connect::Connect;
use virt::error::Error;

/// Most connections that are kept open of one daemon.
const MOST_IDLE: usize = 4;

/// How one is reached.
#[derive(Debug)]
pub(crate) enum Place {
    /// What libvirt connects to for these.
    Uri(&'static str),
    /// A socket that memtrace has found, and whether it is a user's own daemon.
    Socket(OwnedFd, bool),
}

/// One daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    place: Place,
    idle: Mutex<Vec<Connect>>,
}

/// Those that are known.
#[derive(Debug)]
pub(crate) struct Daemons(BTreeMap<u32, Arc<Daemon>>);

impl Default for Daemons {
    fn default() -> Self {
        Self::with_system("qemu:///system")
    }
}

impl Daemons {
    pub(crate) fn with_system(uri: &'static str) -> Self {
        Self(BTreeMap::from([(SYSTEM, Arc::new(Daemon::new(Place::Uri(uri))))]))
    }

    pub(crate) fn open(&mut self, number: u32, place: Place) {
        self.0.insert(number, Arc::new(Daemon::new(place)));
    }

    pub(crate) fn close(&mut self, number: u32) {
        self.0.remove(&number);
    }

    pub(crate) fn get(&self, number: u32) -> Option<Arc<Daemon>> {
        self.0.get(&number).map(Arc::clone)
    }
}

impl Daemon {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, idle: Mutex::default() }
    }

    /// Whether it is the host's own.
    pub(crate) fn is_system(&self) -> bool {
        matches!(self.place, Place::Uri(_))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connect>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ask` gives on a connection. Where one that was kept has died since, it is asked again
    /// on a new one.
    ///
    /// # Errors
    /// libvirt's.
    pub(crate) fn with<T>(&self, ask: impl Fn(&Connect) -> Result<T, Error>) -> Result<T, Error> {
        // The guard isn't held meanwhile.
        let kept = self.idle().pop();
        if let Some(kept) = kept {
            match ask(&kept) {
                Err(_) if !kept.is_alive().unwrap_or(false) => self.idle().clear(),
                result => {
                    self.keep(kept);
                    return result;
                }
            }
        }
        let new = self.connect()?;
        let result = ask(&new);
        self.keep(new);
        result
    }

    fn keep(&self, connection: Connect) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// To set the period of statistics takes more rights than to read them; without those it
    /// fails, and nothing else does.
    fn connect(&self) -> Result<Connect, Error> {
        let open = |uri: &str| Connect::open(Some(uri));
        match &self.place {
            Place::Uri(uri) => open(uri).or_else(|_| Connect::open_read_only(Some(uri))),
            Place::Socket(socket, session) => {
                // The very socket that was checked, whatever is at its path by now.
                let place = format!("?socket=/proc/self/fd/{}", socket.as_raw_fd());
                let system = || open(&format!("qemu+unix:///system{place}"));
                let own = || open(&format!("qemu+unix:///session{place}"));
                // A daemon refuses the one that it isn't.
                if *session { own().or_else(|_| system()) } else { system().or_else(|_| own()) }
            }
        }
    }
}
