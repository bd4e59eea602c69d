//! The names of one VM, found out once for its process, and again now and then for what an operator
//! changes: reads what the adapters ask for, aside from the sampling.

use std::path::PathBuf;
use std::time::Duration;

use super::{ADAPTERS, Adapter, Named, Subject};
use crate::hostfs::{HostRoot, process, read};
use crate::vmm::aside::Aside;
use crate::vmm::discover::FoundVm;
use memtrace_core::sample::VmLabels;
use memtrace_core::settings::VmSettings;
use memtrace_core::units::Nanos;

/// Interval between two readings of a platform's file.
const PERIOD: Nanos = Nanos(30_000_000_000);

/// For the first reading of a VM's file, so that one-shot commands know its names. Later ones,
/// which are due for all VMs at once, aren't waited for.
const AT_FIRST: Duration = Duration::from_millis(20);

/// What is shown of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedVm {
    pub labels: VmLabels,
    pub settings: VmSettings,
    /// The kernel shows that it is this platform's VM.
    pub proven: bool,
}

/// The state of one VM.
#[derive(Debug, Default)]
pub struct Naming {
    adapter: Option<(&'static dyn Adapter, Named)>,
    begun: Option<Nanos>,
    reading: Option<Aside<Option<String>>>,
    named: NamedVm,
}

impl std::fmt::Debug for dyn Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Adapter")
    }
}

impl Naming {
    /// What is known now. `now` is the monotonic clock.
    pub fn update(&mut self, root: &HostRoot, vm: &FoundVm, now: Nanos) -> &NamedVm {
        let due = self.begun.is_none_or(|begun| now.saturating_sub(begun) >= PERIOD);
        let patience = self.patience(due);
        if due {
            self.begun = Some(now);
            self.recognise(root, vm);
        }
        if let Some(text) = self.reading.as_ref().and_then(|reading| reading.poll(patience)) {
            self.reading = None;
            if let (Some((adapter, named)), Some(text)) = (&self.adapter, text) {
                self.named = shown(adapter.complete(named.clone(), &text));
            }
        }
        &self.named
    }

    /// How long this sample waits for its file.
    fn patience(&self, due: bool) -> Duration {
        if due && self.adapter.is_none() { AT_FIRST } else { Duration::ZERO }
    }

    fn recognise(&mut self, root: &HostRoot, vm: &FoundVm) {
        let cgroups = read::text(&root.process(vm.pid).join("cgroup"), read::SMALL);
        let cgroups = cgroups.unwrap_or_default();
        let of_root = process::user_on_host(root, vm.pid) == Some(0);
        let subject = Subject { description: &vm.description, cgroups: &cgroups, of_root };
        let found = ADAPTERS.iter().find_map(|one| Some((*one, one.recognise(&subject)?)));
        let Some((adapter, named)) = found else { return };
        let path = adapter.file(&named).and_then(|path| on_host(root, &path));
        if self.adapter.is_none() || path.is_none() {
            self.named = shown(named.clone());
        }
        self.adapter = Some((adapter, named));
        let Some(path) = path.filter(|_| self.reading.is_none()) else { return };
        // A file of the host's own.
        match Aside::begin(Some(0), move || read::text(&path, read::SMALL).ok()) {
            Ok(reading) => self.reading = Some(reading),
            // Too many wait: at the next sample.
            Err(_) => self.begun = None,
        }
    }
}

/// What isn't proven names, and sets nothing.
fn shown(named: Named) -> NamedVm {
    let settings = if named.proven { named.settings } else { VmSettings::default() };
    NamedVm { labels: named.labels, settings, proven: named.proven }
}

/// The host's root is where its /proc is.
fn on_host(root: &HostRoot, path: &str) -> Option<PathBuf> {
    Some(root.proc.parent()?.join(path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::{self, FakeHost, FakeProcess};
    use crate::vmm::discover::Discovery;
    use crate::vmm::naming::ADAPTERS;

    impl Naming {
        fn is_proven(&self) -> bool {
            self.named.proven
        }

        /// Nothing more comes before its next reading is due.
        pub(in crate::vmm::naming) fn is_settled(&self) -> bool {
            self.begun.is_some() && self.reading.is_none()
        }
    }

    #[test]
    fn what_root_says_counts_where_it_is_known_to_be_the_hosts() {
        let host = FakeHost::unified();
        let is_proven = |status: &str| {
            let arguments = &["kvm", "-id", "2207"];
            host.process(&FakeProcess { arguments, ..fake::QEMU });
            host.file("proc/50/status", status);
            let mut discovery = Discovery::default();
            discovery.scan(&host.root(), Nanos(0)).unwrap();
            let vm = discovery.vms().next().unwrap();
            let mut naming = Naming::default();
            naming.update(&host.root(), vm, Nanos(0));
            naming.is_proven()
        };
        assert!(is_proven("Uid: 0 0 0 0\nNSpid: 50\n"));
        assert!(!is_proven("Uid: 0 0 0 0\nNSpid: 50 7\n"), "in a container");
        assert!(!is_proven("Uid: 0 0 0 0\n"), "nobody knows where");
        assert!(!is_proven("Uid: 7 0 0 0\nNSpid: 50\n"), "not root");
        assert!(!is_proven("NSpid: 50\n"), "nobody knows who");
    }

    #[test]
    fn only_the_first_reading_of_a_vm_is_waited_for() {
        let mut naming = Naming::default();
        assert_eq!(naming.patience(true), AT_FIRST);
        assert_eq!(naming.patience(false), Duration::ZERO);
        naming.adapter = Some((ADAPTERS[0], Named::default()));
        assert_eq!(naming.patience(true), Duration::ZERO, "all VMs are due at once");
    }
}
