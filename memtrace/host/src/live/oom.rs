//! OOM kills: counted, and reported for a while. They are counted here because a victim's row in
//! the eBPF maps is gone soon after it.

use memtrace_core::sample::Topic;
use std::collections::VecDeque;

use memtrace_ebpf::{Event, VmCounters};

use super::LiveSource;
use super::notices::Notices;
use crate::clock::monotonic;
use crate::hostfs::process;
use crate::vmm::name;
use memtrace_core::units::Nanos;

impl LiveSource {
    /// Counts a kill, and reports it if a VM is involved.
    pub(super) fn oom_killed(&mut self, event: &Event) {
        let (victim, by) = (self.vm_of(event.tgid), self.vm_of(event.causer_tgid));
        self.oom_kills.count(monotonic(), event.tgid, victim.is_some(), by.is_some());
        let by = by.filter(|_| event.causer_tgid != event.tgid);
        if victim.is_none() && by.is_none() {
            return;
        }
        let victim = victim.or_else(|| self.command_of(event.tgid));
        let victim = victim.unwrap_or_else(|| "another process".to_owned());
        let by = by.or_else(|| {
            let other = event.causer_tgid != 0 && event.causer_tgid != event.tgid;
            other.then(|| comm(&event.comm))
        });
        let by = by.map_or_else(String::new, |by| format!(" while {by} was allocating"));
        let text = format!("the OOM killer killed {victim} (process {}){by}", event.tgid);
        self.oom_kills.note(monotonic(), text);
    }

    /// The name of a VM, also of one that has just ended.
    fn vm_of(&self, pid: u32) -> Option<String> {
        let vm = self.discovery.vms().find(|vm| vm.pid == pid);
        let name = vm.map(|vm| vm.description.name.clone());
        name.or_else(|| self.oom_kills.was(pid, monotonic()))
    }

    fn command_of(&self, pid: u32) -> Option<String> {
        process::stat(&self.root, pid).ok().map(|stat| name::display(&stat.comm))
    }
}

fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    name::display(&String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()))
}

/// OOM kills: counts, those of the last minute, and ended VMs that may turn out to be victims.
#[derive(Debug, Default)]
pub(super) struct OomKills {
    of_vms: u64,
    of_others: u64,
    /// Triggered by allocations of non-VM processes.
    by_others: u64,
    /// Recent victims: each thread of a victim that runs out of memory while it exits is reported
    /// again (`mark_oom_victim` in mm/oom_kill.c).
    victims: VecDeque<(Nanos, u32)>,
    kills: VecDeque<(Nanos, String)>,
    /// VMs that ended: since when, their process and their name.
    ended: VecDeque<(Nanos, u32, String)>,
}

impl OomKills {
    const SHOWN: Nanos = Nanos(60_000_000_000);
    const MOST: usize = 8;
    /// Maximum delay of an event after the victim's end.
    const REMEMBERED: Nanos = Nanos(10_000_000_000);
    const MOST_ENDED: usize = 1024;

    fn count(&mut self, at: Nanos, victim: u32, of_vm: bool, by_vm: bool) {
        self.victims.retain(|(since, _)| at.saturating_sub(*since) < Self::REMEMBERED);
        if self.victims.iter().any(|(_, known)| *known == victim) {
            return;
        }
        if self.victims.len() >= Self::MOST_ENDED {
            self.victims.pop_front();
        }
        self.victims.push_back((at, victim));
        let whose = if of_vm { &mut self.of_vms } else { &mut self.of_others };
        *whose = whose.saturating_add(1);
        self.by_others = self.by_others.saturating_add(u64::from(!by_vm));
    }

    pub(super) fn of_vms(&self) -> u64 {
        self.of_vms
    }

    /// The row of non-VM processes, with kills that the eBPF programs can't attribute.
    pub(super) fn of_others(&self, row: VmCounters) -> VmCounters {
        VmCounters { oom_kills: self.of_others, oom_caused: self.by_others, ..row }
    }

    fn note(&mut self, at: Nanos, text: String) {
        self.kills.push_back((at, text));
        if self.kills.len() > Self::MOST {
            self.kills.pop_front();
        }
    }

    /// Notes an ended VM: an event that it was killed may come later.
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
            notices.add(Topic::Oom, text.clone());
        }
    }
}
