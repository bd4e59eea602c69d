//! libvirt: polls the VMs that it manages, through the helper program `memtrace-libvirt`, so that
//! its library is in another process. That is started when the first such VM is seen. Results are
//! stored here, and sampling never waits; when libvirt or the helper hangs or goes away, the last
//! answer remains with its age.
//!
//! The host's own daemon has a helper. Those of users and in containers have one for each user who
//! owns them, which runs as that user: nobody's daemon can do anything to another's helper.

mod answers;
mod daemon;
pub(crate) mod devices;
mod driver;
mod finder;
mod helper;
pub mod inspect;
mod known;
pub(crate) mod metadata;
mod orders;
mod program;
mod running;
#[cfg(test)]
mod tests;
pub(super) mod xml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use self::daemon::{Place, UNKNOWN_TO_OWN};
use self::finder::Finder;
use self::helper::{Helper, Limits, Setting};
use self::known::Known;
use super::guest::GuestAnswer;

pub use self::daemon::Target;
pub(in crate::vmm) use self::daemon::UNKNOWN;
pub use self::orders::LibvirtOrders;
pub use self::program::Program;

/// The libvirt daemons that are asked. A host without a VM of libvirt's starts nothing.
#[derive(Debug)]
pub struct Libvirt {
    setting: Setting,
    system: Option<(Arc<Known>, Option<Helper>)>,
    /// Those of users and in containers, by the VM's process.
    own: BTreeMap<u32, (Target, Arc<Known>)>,
    finder: Option<Finder>,
    orders: LibvirtOrders,
}

impl Default for Libvirt {
    fn default() -> Self {
        Self::new(Program::default(), Limits::default())
    }
}

impl Libvirt {
    fn new(program: Program, limits: Limits) -> Self {
        let setting = Setting { program, credentials: None, limits };
        let (own, orders) = (BTreeMap::new(), LibvirtOrders::default());
        Self { setting, system: None, own, finder: None, orders }
    }

    /// Polls this VM. The first one starts the helper, in the background. Cheap when it is polled
    /// already.
    pub fn follow(&mut self, target: &Target) {
        match &target.place {
            Place::System => self.follow_system(target),
            Place::Own(_) => self.follow_own(target),
        }
    }

    fn follow_system(&mut self, target: &Target) {
        if let Some((known, _)) = &self.system {
            known.lock().followed.insert(target.uuid);
            return;
        }
        let known = Known::new(UNKNOWN, target.uuid);
        let helper = match Helper::start(self.setting.clone()) {
            Ok(mut helper) => {
                helper.adopt(&known, None);
                Some(helper)
            }
            Err(why) => {
                known.lock().down = Some(why);
                None
            }
        };
        self.orders.follow_system(&known);
        self.system = Some((known, helper));
    }

    fn follow_own(&mut self, target: &Target) {
        if let Some((before, known)) = self.own.get(&target.pid)
            && before == target
        {
            known.lock().followed.insert(target.uuid);
            return;
        }
        let known = Known::new(UNKNOWN_TO_OWN, target.uuid);
        self.orders.follow_own(target.pid, &known);
        let finder = self.finder.get_or_insert_with(|| Finder::start(self.setting.clone()));
        finder.want(target, &known);
        self.own.insert(target.pid, (target.clone(), known));
    }

    /// Stops polling it.
    pub fn leave(&mut self, target: &Target) {
        self.forget(target.pid);
        if let Some((known, _)) = &self.system {
            known.lock().followed.remove(&target.uuid);
        }
    }

    /// The process is gone, or isn't polled any more.
    pub fn forget(&mut self, pid: u32) {
        self.own.remove(&pid);
        self.orders.forget(pid);
    }

    /// For balloon commands, on any thread.
    pub fn orders(&self) -> LibvirtOrders {
        self.orders.clone()
    }

    /// The last answer about the VM, if its process is the one that runs the domain. Never blocks.
    pub fn answer(&self, target: &Target) -> GuestAnswer {
        let known = match &target.place {
            Place::System => self.system.as_ref().map(|(known, _)| known),
            Place::Own(_) => self.own.get(&target.pid).map(|(_, known)| known),
        };
        known.map_or_else(
            || GuestAnswer::problem("libvirt: no query yet"),
            |known| known.lock().domain(target.uuid, target.pid, Instant::now()),
        )
    }

    /// The problem with the host's own libvirt, for the operator.
    pub fn problem(&self) -> Option<String> {
        let (known, _) = self.system.as_ref()?;
        known.lock().problem(Instant::now())
    }
}
