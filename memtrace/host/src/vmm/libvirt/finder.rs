//! Finds the sockets of libvirt daemons of users and in containers, on a thread of its own, and
//! hands each to the helper of the user who owns it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::daemon::{Found, Own, Place, Target};
use super::helper::{Helper, Setting};
use super::known::{Known, is_read};
use crate::vmm::aside;

/// For one look. A file system may make it longer.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is seen to those that need to be found.
const PERIOD: Duration = Duration::from_secs(1);
/// Most users whose daemons are asked: each has a process.
const MOST_HELPERS: usize = 16;

/// The thread. It ends when this is dropped, and with it the helpers.
#[derive(Debug)]
pub(super) struct Finder(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    by_pid: BTreeMap<u32, Wish>,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Wish {
    own: Own,
    known: Weak<Known>,
    next: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finder {
    /// Where no thread can be started, nothing is found.
    pub(super) fn start(setting: Setting) -> Self {
        let shared = Arc::<Shared>::default();
        let search = Search { shared: Arc::clone(&shared), setting, helpers: BTreeMap::new() };
        let thread = thread::Builder::new().name("memtrace-find".to_owned());
        if let Err(error) = thread.spawn(move || search.run()) {
            tracing::warn!("cannot start a thread: {error}");
        }
        Self(shared)
    }

    /// Looks for the daemon of this VM, now and whenever it is lost.
    pub(super) fn want(&self, target: &Target, known: &Arc<Known>) {
        let Place::Own(own) = &target.place else { return };
        let (own, known, next) = (own.clone(), Arc::downgrade(known), Instant::now());
        self.0.lock().by_pid.insert(target.pid, Wish { own, known, next });
        self.0.changed.notify_one();
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

struct Search {
    shared: Arc<Shared>,
    setting: Setting,
    /// By the user who owns the daemons.
    helpers: BTreeMap<u32, (Helper, Vec<Weak<Known>>)>,
}

impl Search {
    fn run(mut self) {
        while let Some(due) = self.due() {
            for (own, known) in due {
                self.seek(own, &known);
            }
            self.helpers.retain(|_, (_, asked)| {
                asked.retain(is_read);
                !asked.is_empty()
            });
        }
    }

    /// What is to be found now; waits for a moment. `None`: it is over.
    fn due(&self) -> Option<Vec<(Own, Arc<Known>)>> {
        let wanted = self.shared.lock();
        let waited = self.shared.changed.wait_timeout(wanted, PERIOD);
        let (mut wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if wanted.closed {
            return None;
        }
        let now = Instant::now();
        let mut due = Vec::new();
        wanted.by_pid.retain(|_, wish| {
            let Some(known) = wish.known.upgrade() else { return false };
            if known.seat().is_none() && wish.next <= now {
                wish.next = now + self.setting.limits.find;
                due.push((wish.own.clone(), known));
            }
            true
        });
        Some(due)
    }

    fn seek(&mut self, own: Own, known: &Arc<Known>) {
        let found = aside::within(PATIENCE, own.user, move || own.find());
        let adopted = found.and_then(|found| self.adopt(found, known));
        if let Err(why) = adopted {
            known.lock().down = Some(why);
        }
    }

    fn adopt(&mut self, found: Found, known: &Arc<Known>) -> Result<(), String> {
        let owner = found.owner.user;
        if !self.helpers.contains_key(&owner) {
            if self.helpers.len() >= MOST_HELPERS {
                return Err(format!("more than {MOST_HELPERS} users have libvirt daemons"));
            }
            // As root it can be anybody's.
            let credentials = rustix::process::geteuid().is_root().then_some(found.owner);
            let setting = Setting { credentials, ..self.setting.clone() };
            self.helpers.insert(owner, (Helper::start(setting)?, Vec::new()));
        }
        if let Some((helper, asked)) = self.helpers.get_mut(&owner) {
            helper.adopt(known, Some((found.socket, found.session)));
            asked.push(Arc::downgrade(known));
        }
        Ok(())
    }
}
