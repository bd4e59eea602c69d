//! The live host: combines eBPF counters, files and hypervisors' answers into one [`Sample`]. Knows
//! no consumers.
//!
//! Nothing here fails as a whole, and what fails for one VM stays with that VM.

mod arming;
mod assemble;
mod candidates;
mod cgroups;
mod demand;
mod events;
#[cfg(any(test, feature = "fixture"))]
pub mod fake;
mod guests;
mod known;
mod notices;
mod oom;
mod options;
mod rereading;
mod scope;
mod shared;
mod swap_base;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use self::arming::{Arming, Rest};
use self::candidates::Candidates;
use self::cgroups::Neighbours;
use self::guests::Guests;
use self::known::KnownVm;
use self::notices::Notices;
use self::oom::OomKills;
use self::rereading::LastReading;
use self::scope::Scope;
use self::shared::{Patience, Sharing};
use crate::clock::{monotonic, wall};
use crate::hostfs::host::HostFacts;
use crate::hostfs::process::{self, Charge, Vitals};
use crate::hostfs::psi::Trigger;
use crate::hostfs::{HostRoot, host};
use crate::probe::{self, Belongings, Hooking, KernelSide, Reading};
use crate::vmm::discover::{Discovery, FoundVm};
use crate::vmm::hypervisors::Hypervisors;
use memtrace_core::format::several;
use memtrace_core::sample::{HostCountersSample, HostSample, Sample, Topic, VmId, VmSample};
use memtrace_core::settings::VmTable;
use memtrace_core::signal::{Quality, Signal, SignalStatus};
use memtrace_core::source::{Pressure, Source};
use memtrace_core::units::{Bytes, Nanos};

pub use options::LiveOptions;
pub use tables::SharedTables;

/// Samples the host that memtrace runs on.
pub struct LiveSource {
    root: HostRoot,
    facts: HostFacts,
    page_size: Bytes,
    ticks_per_second: u64,
    kernel: Kernel,
    discovery: Discovery,
    guests: Guests,
    known: BTreeMap<u32, KnownVm>,
    sharing: Sharing,
    /// VMs have ended since cgroup sharing was last updated.
    left: bool,
    candidates: Candidates,
    oom_kills: OomKills,
    /// PSI triggers.
    stalls: Vec<Trigger>,
    /// When events were last read.
    handled: Option<Instant>,
    scope: Option<Scope>,
    /// The hooks that are attached on demand. `None`: all are attached all the time.
    arming: Option<Arming>,
    /// Why they can't be attached again.
    refused: Option<String>,
    /// When it was opened.
    begun: Nanos,
    /// What the configuration says of single VMs.
    tables: SharedTables,
}

/// When a sample is taken, and which VM a view has in detail.
struct Tick {
    at: Nanos,
    detail: Option<VmId>,
    /// What passed without hooks since the sample before.
    rest: Rest,
}

enum Kernel {
    Runs(Box<dyn KernelSide>),
    /// All signals, absent.
    Absent(Vec<SignalStatus>),
}

impl LiveSource {
    /// Opens everything that it reads. Where the eBPF programs cannot run, their values are absent
    /// with the reason. `log`: the programs write messages.
    pub fn open(root: HostRoot, log: bool, libvirt: bool, hooking: Hooking) -> Self {
        let kernel = probe::open(&root.sys, log, hooking).map_err(|error| {
            let reason = format!("eBPF programs unavailable: {error:#}");
            tracing::warn!("{reason}");
            reason
        });
        let options = LiveOptions { libvirt, ..LiveOptions::default() };
        Self::new(root, kernel, options)
    }

    /// `kernel`: the kernel side, or the reason why there is none; VMs are found, and
    /// files and hypervisors read, without it too.
    pub fn new(
        root: HostRoot,
        kernel: Result<Box<dyn KernelSide>, String>,
        options: LiveOptions,
    ) -> Self {
        let kernel = match kernel {
            Ok(kernel) => Kernel::Runs(kernel),
            Err(reason) => Kernel::Absent(absent_signals(&reason)),
        };
        let begun = monotonic();
        let arming = match &kernel {
            Kernel::Runs(kernel) if kernel.can_rest() => Some(Arming::new(begun)),
            _ => None,
        };
        Self {
            facts: HostFacts::read(&root),
            page_size: Bytes(rustix::param::page_size() as u64),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            root,
            kernel,
            discovery: Discovery::default(),
            guests: Guests::new(options),
            known: BTreeMap::new(),
            sharing: Sharing::default(),
            left: false,
            candidates: Candidates::default(),
            oom_kills: OomKills::default(),
            stalls: Vec::new(),
            handled: None,
            scope: None,
            arming,
            refused: None,
            begun,
            tables: SharedTables::default(),
        }
    }

    /// Sets a PSI trigger for the host (/proc/pressure/memory), or for a cgroup (memory.pressure).
    ///
    /// # Errors
    /// Without PSI, or without the permission.
    pub fn watch_stalls(&mut self, pressure: &Path) -> io::Result<()> {
        self.stalls.push(Trigger::open(pressure)?);
        Ok(())
    }

    /// Names VMs as the configuration does.
    pub fn configure(&mut self, tables: &[VmTable]) {
        self.tables.set(tables);
    }

    /// The tables by which it names VMs, to change them while it samples.
    pub fn tables(&self) -> SharedTables {
        self.tables.clone()
    }

    /// Treats process `pid` as a VM unconditionally.
    pub fn include(&mut self, pid: u32) {
        self.discovery.include(pid);
    }

    /// The connections to hypervisors, for balloon commands; valid as long as this source.
    pub fn hypervisors(&self) -> Hypervisors {
        self.guests.hypervisors()
    }

    /// The VMs that live, each with its process' state of this moment.
    fn find_vms(&mut self, notices: &mut Notices) -> Vec<(Arc<FoundVm>, Vitals)> {
        if let Err(error) = self.discovery.scan(&self.root, monotonic()) {
            notices.add(Topic::Discovery, format!("/proc: {error}"));
        }
        let vms: Vec<Arc<FoundVm>> = self.discovery.vms().cloned().collect();
        let mut told = match &mut self.kernel {
            Kernel::Runs(kernel) if !self.known.is_empty() => kernel.processes(),
            _ => BTreeMap::new(),
        };
        let mut living = Vec::with_capacity(vms.len());
        for vm in vms {
            let now = self.look_at(&vm, told.remove(&vm.pid));
            if self.discovery.confirm(vm.pid, now.as_ref())
                && let Some(now) = now
            {
                living.push((vm, now));
            }
        }
        let blind = self.discovery.blind();
        if blind > 0 {
            let text = format!(
                "the file descriptors of {} are not readable without CAP_SYS_PTRACE: VMs whose \
                 program isn't QEMU may be missing",
                several(blind as u64, "process")
            );
            notices.add(Topic::Discovery, text);
        }
        for omission in self.discovery.omissions() {
            notices.add(Topic::Discovery, omission);
        }
        for dispute in self.discovery.disputes() {
            notices.add(Topic::Discovery, dispute.clone());
        }
        living
    }

    /// The process' state, `told` by the kernel side or in its file. `None`: it is gone.
    fn look_at(&mut self, vm: &FoundVm, told: Option<Vitals>) -> Option<Vitals> {
        let known = self.known.get_mut(&vm.pid).filter(|known| known.start == vm.start);
        // Another process may have the id by now.
        let told = told.filter(|now| now.start == vm.start);
        let stat = || match &known {
            Some(known) => process::kept_stat(&known.files, &self.root, vm.pid),
            None => process::stat(&self.root, vm.pid),
        };
        let mut now = told.or_else(|| stat().ok().map(Vitals::from))?;
        if let Some(known) = known.filter(|known| known.start == now.start) {
            // The file has user and system time each in whole ticks, so that it may say less.
            known.cpu_ticks = known.cpu_ticks.max(now.cpu_ticks);
            now.cpu_ticks = known.cpu_ticks;
        }
        Some(now)
    }

    fn read_host(&self, reading: Option<&Reading>, notices: &mut Notices) -> HostSample {
        let mut problems = Vec::new();
        let mut host = host::read(&self.root, &self.facts, &mut problems);
        for problem in problems {
            notices.add(Topic::Host, problem);
        }
        let read = reading.filter(|reading| !reading.host_unread);
        host.counters = read.map(|reading| HostCountersSample {
            host: reading.host,
            kswapd: reading.kswapd,
            other: self.oom_kills.of_others(reading.other),
            vm_oom_kills: Some(self.oom_kills.of_vms()),
            missed_runs: reading.missed_runs,
            missed_by_signal: reading.missed_by_signal.clone(),
        });
        host
    }

    /// Removes ended VMs, and updates the eBPF maps for all others.
    fn update_registry(&mut self, living: &[(Arc<FoundVm>, Vitals)], notices: &mut Notices) {
        let starts: HashMap<u32, u64> = living.iter().map(|(vm, _)| (vm.pid, vm.start)).collect();
        let gone: Vec<u32> = self
            .known
            .iter()
            .filter(|(pid, known)| starts.get(pid) != Some(&known.start))
            .map(|(&pid, _)| pid)
            .collect();
        for pid in gone {
            self.forget(pid);
        }
        let mut moved = std::mem::take(&mut self.left);
        let mut patience = Patience::default();
        for (vm, now) in living {
            self.candidates.remove(vm.pid);
            moved |= self.look_where(vm, now.charge, &mut patience, notices);
            if self.is_outside_scope(vm.pid) {
                self.guests.leave(&self.root, vm);
            } else {
                self.guests.follow(&self.root, vm);
            }
        }
        if moved {
            let neighbours = Neighbours::count(&self.known);
            for known in self.known.values_mut() {
                known.company = neighbours.company(&known.membership);
            }
            self.sharing = Sharing::of(&self.known);
        }
        for (vm, _) in living {
            if moved || self.known.get(&vm.pid).is_some_and(|known| known.told.is_none()) {
                self.tell_kernel(vm, notices);
            }
        }
        self.drop_candidates();
    }

    /// Its hypervisor isn't asked: what it causes and suffers is counted all the same.
    fn is_outside_scope(&self, pid: u32) -> bool {
        let cgroup = self.known.get(&pid).and_then(|known| known.membership.cgroup());
        self.scope.as_ref().is_some_and(|scope| scope.excludes(cgroup))
    }

    /// Updates the cgroup and memory files of a VM. Returns whether they have changed.
    fn look_where(
        &mut self,
        vm: &FoundVm,
        charge: Option<Charge>,
        patience: &mut Patience,
        notices: &mut Notices,
    ) -> bool {
        let counts_files = match &self.kernel {
            Kernel::Runs(kernel) => shared::are_counted(kernel.signals()),
            Kernel::Absent(_) => false,
        };
        let new =
            || KnownVm { start: vm.start, name: vm.description.name.clone(), ..KnownVm::default() };
        let known = self.known.entry(vm.pid).or_insert_with(new);
        let now = monotonic();
        let mut moved = false;
        let same = match charge {
            Some(charge) => known.membership.is_same(charge),
            None => known.quiet,
        };
        if !same || known.membership.turn_came(vm.pid, now) {
            moved = known.membership.refresh(&known.files, &self.root, vm.pid, charge, now);
        }
        if moved {
            known.kept = LastReading::default();
        }
        if counts_files {
            moved |= patience.refresh(&mut known.shared_memory, &self.root, vm.pid, vm.user, now);
        }
        if let Some(problem) = known.membership.problem() {
            notices.add(Topic::Cgroup, format!("{}: {problem}", vm.description.name));
        }
        moved
    }

    fn tell_kernel(&mut self, vm: &FoundVm, notices: &mut Notices) {
        let (Kernel::Runs(kernel), Some(known)) = (&mut self.kernel, self.known.get_mut(&vm.pid))
        else {
            return;
        };
        let own = known.membership.cgroup().filter(|_| known.company.alone);
        let cgroups = own.and_then(|cgroup| cgroup.id).into_iter().collect();
        let belongings = Belongings { cgroups, shared_memory: self.sharing.own(known) };
        if known.told.as_ref() == Some(&belongings) {
            return;
        }
        match kernel.track(vm.pid, &belongings) {
            Ok(()) => known.told = Some(belongings),
            Err(error) => {
                let text = format!("{} is not counted: {error:#}", vm.description.name);
                notices.add(Topic::Counters, text);
            }
        }
    }

    pub(super) fn forget(&mut self, pid: u32) {
        if let Some(known) = self.known.remove(&pid) {
            self.left = true;
            self.oom_kills.ended(monotonic(), pid, known.name);
        }
        self.guests.forget(pid);
        if let Kernel::Runs(kernel) = &mut self.kernel {
            kernel.forget(pid);
        }
    }
}

impl Source for LiveSource {
    fn sample(&mut self, detail: Option<VmId>) -> Result<Sample> {
        let mut notices = Notices::default();
        // This sample shows the pressure that they report.
        self.handle_events();
        let living = self.find_vms(&mut notices);
        self.update_registry(&living, &mut notices);
        let mut reading = match &mut self.kernel {
            Kernel::Runs(kernel) => Some(kernel.read()),
            Kernel::Absent(_) => None,
        };
        let at = reading.as_ref().map(|reading| reading.at).filter(|at| at.0 > 0);
        let at = at.unwrap_or_else(monotonic);
        let mut host = self.read_host(reading.as_ref(), &mut notices);
        self.watch_traffic(&mut host, &mut notices);
        let rest = self.arming.as_mut().map(Arming::take).unwrap_or_default();
        let tick = Tick { at, detail, rest };
        host.scope = self.scope.as_mut().map(|scope| scope.read(&self.root, &mut notices));
        let mut vms: Vec<VmSample> = living
            .iter()
            .map(|(vm, now)| {
                let counted = reading.as_mut().and_then(|reading| reading.vms.get_mut(&vm.pid));
                self.read_vm(vm, now, counted, &tick)
            })
            .collect();
        self.settle_hooks(&mut notices);
        Self::settle_names(&living, &mut vms, &mut notices);
        let flows = reading.as_ref().map(|reading| assemble::flows(&reading.flows, &living));
        for problem in reading.into_iter().flat_map(|reading| reading.problems) {
            notices.add(Topic::Counters, problem);
        }
        for vm in &vms {
            for problem in &vm.guest.metadata_problems {
                notices.add(Topic::Libvirt, format!("metadata of {}: {problem}", vm.name));
            }
        }
        if let Some(problem) = self.guests.problem() {
            notices.add(Topic::Libvirt, problem);
        }
        self.oom_kills.tell(monotonic(), &mut notices);
        Ok(Sample {
            at,
            wall: wall(),
            page_size: self.page_size,
            host,
            vms,
            flows,
            signals: match &self.kernel {
                Kernel::Runs(kernel) => kernel.signals().to_vec(),
                Kernel::Absent(signals) => signals.clone(),
            },
            notices: notices.into_list(),
        })
    }

    fn wait(&mut self, timeout: Duration) -> Option<Pressure> {
        self.wait_for_events(timeout)
    }
}

fn absent_signals(reason: &str) -> Vec<SignalStatus> {
    let quality = Quality::absent(reason.to_owned());
    let absent =
        |signal| SignalStatus { signal, source: None, hooked: false, quality: quality.clone() };
    Signal::ALL.map(absent).to_vec()
}
