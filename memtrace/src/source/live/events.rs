//! What can't wait for the next sample: VMs that appear and end. And OOM kills, which are
//! told for a while after.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use memtrace_ebpf::{EVENT_APPEARED, EVENT_EXITED, EVENT_FOUND, EVENT_OOM_KILL, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::notices::Notices;
use super::{Kernel, LiveSource, monotonic};
use crate::hostfs::process;
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
    /// Handles events as they come, until `timeout` has passed.
    pub(super) fn attend_events(&mut self, timeout: Duration) {
        let begun = Instant::now();
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            if self.wait_for_event(left) {
                self.handle_events();
                std::thread::park_timeout(BREATH.min(timeout.saturating_sub(begun.elapsed())));
            }
        }
    }

    /// Whether there are events; waits for them no longer than `left`.
    fn wait_for_event(&self, left: Duration) -> bool {
        let fd = match &self.kernel {
            Kernel::Runs(kernel) => kernel.event_fd(),
            Kernel::Absent(_) => None,
        };
        let Some(fd) = fd else {
            std::thread::park_timeout(left);
            return false;
        };
        let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(count) => count > 0,
            Err(rustix::io::Errno::INTR) => false,
            // Better late than in a busy loop.
            Err(_) => {
                std::thread::park_timeout(left);
                true
            }
        }
    }

    pub(super) fn handle_events(&mut self) {
        let Kernel::Runs(kernel) = &mut self.kernel else { return };
        for event in kernel.events() {
            match event.kind {
                EVENT_APPEARED | EVENT_FOUND => self.appeared(event.tgid),
                EVENT_EXITED => self.exited(event.tgid),
                EVENT_OOM_KILL => self.oom_killed(&event),
                _ => {}
            }
        }
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

    fn oom_killed(&mut self, event: &Event) {
        let victim = self.name_of(event.tgid).unwrap_or_else(|| comm(&event.comm));
        let by = (event.causer_tgid != 0 && event.causer_tgid != event.tgid)
            .then(|| self.name_of(event.causer_tgid))
            .flatten();
        let by = by.map_or_else(String::new, |by| format!(" while {by} was allocating"));
        let text = format!("the OOM killer chose {victim} (process {}){by}", event.tgid);
        self.oom_kills.note(monotonic(), text);
    }

    /// The name of a VM, or the command of another process.
    fn name_of(&self, pid: u32) -> Option<String> {
        let vm = self.discovery.vms().find(|vm| vm.pid == pid);
        vm.map(|vm| vm.description.name.clone())
            .or_else(|| process::stat(&self.root, pid).ok().map(|stat| name::display(&stat.comm)))
    }
}

fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    name::display(&String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()))
}

/// OOM kills of the last minute.
#[derive(Debug, Default)]
pub(super) struct OomKills {
    kills: VecDeque<(Nanos, String)>,
}

impl OomKills {
    const SHOWN: Nanos = Nanos(60_000_000_000);
    const MOST: usize = 8;

    fn note(&mut self, at: Nanos, text: String) {
        self.kills.push_back((at, text));
        if self.kills.len() > Self::MOST {
            self.kills.pop_front();
        }
    }

    pub(super) fn tell(&mut self, now: Nanos, notices: &mut Notices) {
        self.kills.retain(|(at, _)| now.saturating_sub(*at) < Self::SHOWN);
        for (_, text) in &self.kills {
            notices.add("oom", text.clone());
        }
    }
}
