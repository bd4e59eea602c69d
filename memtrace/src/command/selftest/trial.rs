//! The trial: starts a guest and a bystander, the guest writes to more memory than its cgroup's
//! limit, and both sides are read while counters are stable.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::cgroup::Cgroup;
use super::child::{Guest, Shape};
use super::compare::{self, TimePoint, Trial};
use super::counters::Counters;
use super::report::{GuestFacts, GuestKind};
use super::subject::Table;
use super::{Accounting, LIMIT, say};
use crate::sys::interrupt::{Interrupt, Interrupted};
use memtrace_core::signal::SignalStatus;
use memtrace_core::source::Source as _;
use memtrace_core::units::Bytes;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::hostfs::host::HostFacts;
use memtrace_host::live::LiveSource;

/// More than the limit.
const MEMORY_MIB: u32 = 96;
const BYSTANDER_MIB: u32 = 8;
/// What it writes to between two answers.
const STRETCH_MIB: u32 = 4;
/// Stretches of a walk over all of the memory.
const WALK: u32 = MEMORY_MIB / STRETCH_MIB;
/// Limit on walks.
const MOST_WALKS: u32 = 6;
/// Minimum of walks, where swap is slow; the first fills the memory.
const LEAST_WALKS: u32 = 2;
/// Longest that it walks when there have been enough walks, and longest of all.
const LONG: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(30);
/// A guest that hasn't walked its first stretch by now won't: not every /dev/kvm runs
/// ordinary guests.
const FIRST: Duration = Duration::from_secs(8);
/// Longest for any other answer: up to 1,024 pages, each read from a slow disk after another was
/// written there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time limit for both sides to settle.
const STILLNESS: Duration = Duration::from_secs(15);
/// Period without changes that counts as settled: memory.stat lacks up to 64 events of each CPU for
/// as long as two seconds (FLUSH_TIME and `memcg_vmstats_needs_flush` in mm/memcontrol.c).
const SETTLED: Duration = Duration::from_millis(2500);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What a run works with.
pub(super) struct Run<'a> {
    pub root: &'a HostRoot,
    pub interrupt: &'a Interrupt,
    pub accounting: Option<&'a Accounting>,
    /// `Err`: why the guest isn't limited.
    pub cgroup: &'a Result<Cgroup>,
}

/// The result.
pub(super) struct TrialResult {
    pub guest: GuestFacts,
    pub table: Table,
    pub statuses: Vec<SignalStatus>,
}

/// The two processes, ready to walk, and the first moment.
struct Started {
    guest: Guest,
    bystander: Guest,
    from: TimePoint,
    /// Why it is no KVM guest, if so.
    no_kvm: Option<String>,
}

impl Run<'_> {
    /// # Errors
    /// [`Interrupted`]; when no guest can be started, or the host can't be sampled.
    pub(super) fn run(&self, mut source: LiveSource) -> Result<TrialResult> {
        let mut started = self.start(&mut source)?;
        let begun = Instant::now();
        self.walk(&mut started.guest, &mut source)?;
        let seconds = begun.elapsed().as_secs_f64();
        say("reading both sides ...");
        let to = self.quiet(&mut source, &started.guest, &started.bystander)?;
        let no_pressure = self.cgroup.as_ref().err().map(|error| format!("{error:#}"));
        let kvm = started.no_kvm.is_none();
        let table = compare::table(&Trial {
            from: &started.from,
            to: &to,
            guest: started.guest.pid(),
            bystander: started.bystander.pid(),
            kvm,
            no_pressure: no_pressure.as_deref(),
            cpus: HostFacts::read(self.root).cpus.unwrap_or(1),
        });
        let cgroup = self.cgroup.as_ref().ok();
        let guest = GuestFacts {
            kind: if kvm { GuestKind::Kvm } else { GuestKind::Process },
            reason: started.no_kvm,
            memory_mib: MEMORY_MIB,
            limit_mib: cgroup.map(|_| LIMIT.0 >> 20),
            cgroup_version: cgroup.map(|cgroup| cgroup.version.number()),
            seconds,
        };
        Ok(TrialResult { guest, table, statuses: to.sample.signals })
    }

    /// Both as KVM guests, or where that doesn't work, both as processes.
    fn start(&self, source: &mut LiveSource) -> Result<Started> {
        say(&format!("starting a KVM guest of {MEMORY_MIB} MiB, and a small bystander ..."));
        let no_kvm = match self.start_as(source, true) {
            Ok(started) => return Ok(started),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => format!("{error:#}"),
        };
        say(&format!("no KVM guest: {no_kvm}; using an ordinary process ..."));
        let started = self.start_as(source, false).context("cannot start a guest")?;
        Ok(Started { no_kvm: Some(no_kvm), ..started })
    }

    fn start_as(&self, source: &mut LiveSource, kvm: bool) -> Result<Started> {
        let page = u32::try_from(rustix::param::page_size()).context("the size of a page")?;
        let stretch = (STRETCH_MIB << 20) / page;
        let shape = Shape { kvm, mib: BYSTANDER_MIB, stretch };
        let mut bystander = Guest::spawn(shape, self.interrupt)?;
        bystander.start(PATIENCE)?;
        bystander.walk(FIRST)?;
        let mut guest = Guest::spawn(Shape { mib: MEMORY_MIB, ..shape }, self.interrupt)?;
        if let Ok(cgroup) = self.cgroup {
            cgroup.take(guest.pid())?;
        }
        // All of its memory is taken after it moved, and so charged to the cgroup.
        guest.start(PATIENCE)?;
        if !kvm {
            source.include(guest.pid());
            source.include(bystander.pid());
        }
        let from = self.quiet(source, &guest, &bystander)?;
        guest.walk(FIRST)?;
        Ok(Started { guest, bystander, from, no_kvm: None })
    }

    fn walk(&self, guest: &mut Guest, source: &mut LiveSource) -> Result<()> {
        let begun = Instant::now();
        say("running the guest ...");
        let walks = if self.cgroup.is_ok() { MOST_WALKS } else { 1 };
        for stretch in 1..walks * WALK {
            let enough = stretch >= LEAST_WALKS * WALK;
            if begun.elapsed() > if enough { LONG } else { LONGEST } {
                break;
            }
            guest.walk(PATIENCE)?;
            // Events would pile up otherwise.
            source.wait(Duration::ZERO);
        }
        Ok(())
    }

    /// Both sides, read while the kernel's counters didn't move. On a host under pressure
    /// kswapd, or DAMON, takes pages of a guest at rest as well: then with what the kernel
    /// counted just before and just after memtrace.
    fn quiet(
        &self,
        source: &mut LiveSource,
        guest: &Guest,
        bystander: &Guest,
    ) -> Result<TimePoint> {
        let counters = Counters {
            root: self.root,
            cgroup: self.cgroup.as_ref().ok(),
            delays: self.accounting.and_then(Accounting::taskstats),
            page_size: Bytes(rustix::param::page_size() as u64),
        };
        let read = || -> Result<_> {
            Ok((counters.of_guest(guest.pid())?, counters.of_process(bystander.pid())?))
        };
        let begun = Instant::now();
        let (mut before, mut since) = (read()?, begun);
        loop {
            self.interrupt.check()?;
            let settled = since.elapsed() >= SETTLED;
            let late = begun.elapsed() > STILLNESS;
            if late {
                say("something else takes the guest's pages; comparing within what it took ...");
                before = read()?;
            }
            let sample = if settled || late { Some(source.sample(None)?) } else { None };
            let after = read()?;
            match sample {
                Some(sample) if before == after || late => {
                    let earlier = (before != after || !settled).then_some(before);
                    let (guest, bystander) = after;
                    return Ok(TimePoint { sample, guest, bystander, earlier });
                }
                _ if before != after => (before, since) = (after, Instant::now()),
                _ => {}
            }
            std::thread::sleep(LOOK);
        }
    }
}
