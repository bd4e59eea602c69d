//! Events between samples: VMs that start and end, and pressure that begins.

use std::time::{Duration, Instant};

use memtrace_ebpf::{
    EVENT_APPEARED, EVENT_DIRECT_RECLAIM, EVENT_EXITED, EVENT_FOUND, EVENT_KSWAPD,
    EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM, EVENT_OOM_KILL, Event,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Kernel, LiveSource};
use crate::clock::monotonic;
use crate::hostfs::process::{self, Vitals};
use crate::probe::Arrived;
use crate::vmm::discover::Sighting;
use memtrace_core::source::{Pressure, Sign};
use memtrace_core::units::Nanos;

/// Minimum time between two reads of events: a flood of them must not keep a CPU busy.
const BREATH: Duration = Duration::from_millis(1);

impl LiveSource {
    /// Handles events until `timeout` has passed or one indicates pressure.
    pub(super) fn wait_for_events(&mut self, timeout: Duration) -> Option<Pressure> {
        let begun = Instant::now();
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return None;
            }
            let rest =
                self.handled.map_or(Duration::ZERO, |at| BREATH.saturating_sub(at.elapsed()));
            if !rest.is_zero() {
                std::thread::park_timeout(rest.min(left));
                continue;
            }
            let woken = self.wait(left);
            if woken.stalls.is_some() {
                self.stir();
            }
            let told = woken.events.then(|| self.handle_events()).flatten();
            let pressure = told.or(woken.stalls);
            if pressure.is_some() {
                return pressure;
            }
        }
    }

    /// Waits for events and PSI notifications, at most for `left`.
    fn wait(&mut self, left: Duration) -> Woken {
        let events = match &self.kernel {
            Kernel::Runs(kernel) => kernel.event_fd(),
            Kernel::Absent(_) => None,
        };
        let has_events = events.is_some();
        let events = events.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let stalls = self.stalls.iter().map(|trigger| PollFd::new(trigger, PollFlags::PRI));
        let mut fds: Vec<PollFd<'_>> = events.into_iter().chain(stalls).collect();
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Woken::default(),
            // Better late than in a busy loop.
            Err(_) => {
                std::thread::park_timeout(left);
                return Woken { events: has_events, stalls: None };
            }
        }
        let mut signs = fds.iter().map(PollFd::revents);
        let events = has_events && signs.next().is_some_and(|signs| !signs.is_empty());
        let signs: Vec<PollFlags> = signs.collect();
        let stalls = signs.iter().any(|signs| signs.contains(PollFlags::PRI));
        let mut gone = signs.iter().map(|signs| signs.contains(PollFlags::ERR));
        // A removed one would always be ready.
        self.stalls.retain(|_| gone.next() != Some(true));
        let at = monotonic();
        Woken { events, stalls: stalls.then_some(Pressure { sign: Sign::Psi, at }) }
    }

    /// The first sign of pressure in the events.
    pub(super) fn handle_events(&mut self) -> Option<Pressure> {
        let Kernel::Runs(kernel) = &mut self.kernel else { return None };
        self.handled = Some(Instant::now());
        let mut pressure = None;
        for Arrived { event, .. } in kernel.events() {
            match event.kind {
                EVENT_APPEARED | EVENT_FOUND => self.appeared(event.tgid),
                EVENT_EXITED => self.exited(event.tgid),
                EVENT_OOM_KILL => self.oom_killed(&event),
                _ => {}
            }
            pressure = pressure.or_else(|| told_by(&event));
        }
        if pressure.is_some() {
            self.stir();
        }
        pressure
    }

    fn appeared(&mut self, pid: u32) {
        let now = monotonic();
        let keeps = match self.discovery.look_at(&self.root, pid, now) {
            Sighting::Vm => true,
            Sighting::NotYet => self.candidates.admit(pid, self.discovery.user(pid), now),
            Sighting::No => false,
        };
        if !keeps {
            self.free_slot(pid);
        }
    }

    fn exited(&mut self, pid: u32) {
        self.candidates.remove(pid);
        // A VM that takes time to end is shown until it is gone.
        let now = process::stat(&self.root, pid).ok().map(Vitals::from);
        if !self.discovery.confirm(pid, now.as_ref()) {
            self.forget(pid);
        }
    }

    /// Gives up on processes that have a slot and did not become VMs.
    pub(super) fn drop_candidates(&mut self) {
        let is_gone = |pid| process::stat(&self.root, pid).is_err();
        for pid in self.candidates.late(monotonic(), is_gone) {
            self.free_slot(pid);
        }
    }

    fn free_slot(&mut self, pid: u32) {
        self.candidates.remove(pid);
        // A process that execs may have been a VM until now.
        self.forget(pid);
    }
}

/// Why waiting ended; neither: timeout.
#[derive(Default)]
struct Woken {
    events: bool,
    stalls: Option<Pressure>,
}

fn told_by(event: &Event) -> Option<Pressure> {
    let sign = match event.kind {
        EVENT_KSWAPD => Sign::Kswapd,
        EVENT_DIRECT_RECLAIM => Sign::DirectReclaim,
        EVENT_MEMCG_RECLAIM => Sign::MemcgReclaim,
        EVENT_LONG_STALL => Sign::LongStall,
        EVENT_OOM_KILL => Sign::OomKill,
        _ => return None,
    };
    Some(Pressure { sign, at: Nanos(event.at_ns) })
}
