//! What can't wait for the next sample: VMs that appear and end, and pressure that begins.
//! And OOM kills, which are told for a while after.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use memtrace_ebpf::{
    EVENT_APPEARED, EVENT_DIRECT_RECLAIM, EVENT_EXITED, EVENT_FOUND, EVENT_KSWAPD,
    EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM, EVENT_OOM_KILL, Event,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::notices::Notices;
use super::{Kernel, LiveSource, monotonic};
use crate::hostfs::process;
use crate::probe::Arrived;
use crate::source::{Pressure, Sign};
use crate::units::Nanos;
use crate::vmm::discover::Sighting;
use crate::vmm::name;

/// The shortest time between two looks at the events: a flood of them (each long stall is
/// one) must not keep a CPU busy, and none should wait for long.
const BREATH: Duration = Duration::from_millis(1);
/// So long a process with a slot may take to become a VM.
const CANDIDATE_TIME: Nanos = Nanos(10_000_000_000);
/// Most candidates at a time; slots are few.
const MOST_CANDIDATES: usize = 64;

impl LiveSource {
    /// Handles events as they come, until `timeout` has passed or one tells of pressure.
    pub(super) fn attend_events(&mut self, timeout: Duration) -> Option<Pressure> {
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
            let told = woken.events.then(|| self.handle_events()).flatten();
            let pressure = told.or(woken.stalls);
            if pressure.is_some() {
                return pressure;
            }
        }
    }

    /// Waits for events and for the kernel's word of stalls, no longer than `left`.
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
        // One that is no more would be ready for ever.
        self.stalls.retain(|_| gone.next() != Some(true));
        let at = monotonic();
        Woken { events, stalls: stalls.then_some(Pressure { sign: Sign::Psi, at }) }
    }

    /// What the events tell of pressure: the first of it.
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
        pressure
    }

    fn appeared(&mut self, pid: u32) {
        let now = monotonic();
        match self.discovery.look_at(&self.root, pid, now) {
            Sighting::Vm => {}
            Sighting::NotYet if self.candidates.len() < MOST_CANDIDATES => {
                self.candidates.entry(pid).or_insert(now);
            }
            Sighting::NotYet | Sighting::No => self.free_slot(pid),
        }
    }

    fn exited(&mut self, pid: u32) {
        self.candidates.remove(&pid);
        // One that takes its time to end is shown until it is gone.
        let stat = process::stat(&self.root, pid).ok();
        if !self.discovery.confirm(pid, stat.as_ref()) {
            self.forget(pid);
        }
    }

    /// Gives up on processes that have a slot and did not become VMs.
    pub(super) fn drop_candidates(&mut self) {
        let now = monotonic();
        let late: Vec<u32> = self
            .candidates
            .iter()
            .filter(|(pid, since)| {
                now.saturating_sub(**since) > CANDIDATE_TIME
                    || process::stat(&self.root, **pid).is_err()
            })
            .map(|(&pid, _)| pid)
            .collect();
        for pid in late {
            self.candidates.remove(&pid);
            self.free_slot(pid);
        }
    }

    fn free_slot(&mut self, pid: u32) {
        // One that execs may have been a VM until now.
        self.forget(pid);
    }

    /// Tells of it when a VM has to do with it.
    fn oom_killed(&mut self, event: &Event) {
        let victim = self.vm_of(event.tgid);
        let by = (event.causer_tgid != event.tgid).then(|| self.vm_of(event.causer_tgid)).flatten();
        if victim.is_none() && by.is_none() {
            return;
        }
        let victim = victim.or_else(|| self.command_of(event.tgid));
        let victim = victim.unwrap_or_else(|| "another program".to_owned());
        let by = by.or_else(|| {
            let other = event.causer_tgid != 0 && event.causer_tgid != event.tgid;
            other.then(|| comm(&event.comm))
        });
        let by = by.map_or_else(String::new, |by| format!(" while {by} was allocating"));
        let text = format!("the OOM killer chose {victim} (process {}){by}", event.tgid);
        self.oom_kills.note(monotonic(), text);
    }

    /// The name of a VM, or of one that was here a moment ago.
    fn vm_of(&self, pid: u32) -> Option<String> {
        let vm = self.discovery.vms().find(|vm| vm.pid == pid);
        let name = vm.map(|vm| vm.description.name.clone());
        name.or_else(|| self.oom_kills.was(pid, monotonic()))
    }

    fn command_of(&self, pid: u32) -> Option<String> {
        process::stat(&self.root, pid).ok().map(|stat| name::display(&stat.comm))
    }
}

/// Why waiting ended; neither: the time is up.
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

fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    name::display(&String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()))
}

/// OOM kills of the last minute, and who might still turn out to be a victim.
#[derive(Debug, Default)]
pub(super) struct OomKills {
    kills: VecDeque<(Nanos, String)>,
    /// VMs that ended: since when, their process and their name.
    ended: VecDeque<(Nanos, u32, String)>,
}

impl OomKills {
    const SHOWN: Nanos = Nanos(60_000_000_000);
    const MOST: usize = 8;
    /// So long an event may be behind the victim's end.
    const REMEMBERED: Nanos = Nanos(10_000_000_000);
    const MOST_ENDED: usize = 1024;

    fn note(&mut self, at: Nanos, text: String) {
        self.kills.push_back((at, text));
        if self.kills.len() > Self::MOST {
            self.kills.pop_front();
        }
    }

    /// A VM is no more: perhaps it was killed, and the word of that comes later.
    pub(super) fn ended(&mut self, at: Nanos, pid: u32, name: String) {
        self.ended.retain(|(since, _, _)| at.saturating_sub(*since) < Self::REMEMBERED);
        if self.ended.len() >= Self::MOST_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((at, pid, name));
    }

    fn was(&self, pid: u32, now: Nanos) -> Option<String> {
        let recent = |since: Nanos| now.saturating_sub(since) < Self::REMEMBERED;
        let of_it = |(since, ended, _): &&(Nanos, u32, String)| *ended == pid && recent(*since);
        self.ended.iter().rev().find(of_it).map(|(_, _, name)| name.clone())
    }

    pub(super) fn tell(&mut self, now: Nanos, notices: &mut Notices) {
        self.kills.retain(|(at, _)| now.saturating_sub(*at) < Self::SHOWN);
        for (_, text) in &self.kills {
            notices.add("oom", text.clone());
        }
    }
}
