//! Files of shared guest memory that only one VM maps: counters of such a file belong to the VM.
//! Non-VM processes (vhost-user) may map it too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::known::KnownVm;
use crate::hostfs::HostRoot;
use crate::hostfs::process::maps::Inode;
use crate::vmm::aside;
use memtrace_core::signal::{Signal, SignalStatus};
use memtrace_core::units::Nanos;

/// Mappings are read again after this, and each time after twice as long: a VM maps its
/// memory as it starts, and seldom later.
const FIRST_PAUSE: Nanos = Nanos::SECOND;
const LONGEST_PAUSE: Nanos = Nanos(64 * Nanos::SECOND.0);

/// Whether anything is counted by file, so that files have to be known.
pub(super) fn are_counted(signals: &[SignalStatus]) -> bool {
    signals.iter().any(|status| {
        matches!(status.signal, Signal::ShmemSwap | Signal::SwapInWait)
            && !status.quality.is_absent()
    })
}

/// The files that one VM maps shared.
#[derive(Debug, Default)]
pub(super) struct SharedMemory {
    files: BTreeSet<Inode>,
    /// When to read again, and after which pause from then on. `None`: never read.
    next: Option<(Nanos, Nanos)>,
}

impl SharedMemory {
    /// Returns whether the set of files has changed. `user`: to whom process `pid` counts.
    fn refresh(&mut self, root: &HostRoot, pid: u32, user: Option<u32>, now: Nanos) -> bool {
        let (due, pause) = self.next.unwrap_or((now, FIRST_PAUSE));
        if now < due {
            return false;
        }
        let longer = Nanos(pause.0.saturating_mul(2).min(LONGEST_PAUSE.0));
        self.next = Some((Nanos(now.0.saturating_add(pause.0)), longer));
        // What can't be read stays as it was.
        let Ok(files) = aside::shared_files(root, pid, user, TIME) else { return false };
        let files = files.into_iter().collect();
        let changed = self.files != files;
        self.files = files;
        changed
    }
}

/// Time for reading mappings in one sample, of which the last may take as long again: those of a
/// process with 65,000 of them take 50 ms, and anybody may have such processes. The others are read
/// in the next samples.
const TIME: Duration = Duration::from_millis(100);

/// What is left of it.
#[derive(Debug)]
pub(super) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(TIME)
    }
}

impl Patience {
    /// [`SharedMemory::refresh`], if there is time left.
    pub(super) fn refresh(
        &mut self,
        memory: &mut SharedMemory,
        root: &HostRoot,
        pid: u32,
        user: Option<u32>,
        now: Nanos,
    ) -> bool {
        if self.0.is_zero() {
            return false;
        }
        let begun = Instant::now();
        let changed = memory.refresh(root, pid, user, now);
        self.0 = self.0.saturating_sub(begun.elapsed());
        changed
    }
}

/// How many VMs map each file.
#[derive(Debug, Default)]
pub(super) struct Sharing(BTreeMap<Inode, u32>);

impl Sharing {
    pub(super) fn of(known: &BTreeMap<u32, KnownVm>) -> Self {
        let mut counts = BTreeMap::<Inode, u32>::new();
        for file in known.values().flat_map(|vm| &vm.shared_memory.files) {
            let count = counts.entry(*file).or_default();
            *count = count.saturating_add(1);
        }
        Self(counts)
    }

    /// The files of this VM that no other VM maps.
    pub(super) fn own(&self, vm: &KnownVm) -> BTreeSet<Inode> {
        let alone = |file: &&Inode| self.0.get(*file) == Some(&1);
        vm.shared_memory.files.iter().filter(alone).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;
    use memtrace_core::signal::Quality;

    fn maps(host: &FakeHost, pid: u32, inodes: &[u64]) {
        let line = |inode| format!("1000-9000 rw-s 00000000 00:01 {inode} /memfd:ram (deleted)\n");
        let text: String = inodes.iter().map(line).collect();
        host.file(&format!("proc/{pid}/maps"), &text);
    }

    fn numbers(memory: &SharedMemory) -> Vec<u64> {
        memory.files.iter().map(|file| file.number).collect()
    }

    fn known(host: &FakeHost, pid: u32) -> (u32, KnownVm) {
        let mut vm = KnownVm { start: 1, ..KnownVm::default() };
        vm.shared_memory.refresh(&host.root(), pid, None, Nanos(0));
        (pid, vm)
    }

    #[test]
    fn files_matter_only_where_something_is_counted_by_them() {
        let status = |signal, quality| {
            let hooked = quality == Quality::Exact;
            SignalStatus { signal, source: None, hooked, quality }
        };
        let refused = || Quality::absent("refused");
        let without = [
            status(Signal::SwapIn, Quality::Exact),
            status(Signal::ShmemSwap, refused()),
            status(Signal::SwapInWait, refused()),
        ];
        assert!(!are_counted(&without));
        assert!(are_counted(&[status(Signal::ShmemSwap, Quality::Exact)]));
    }

    #[test]
    fn mappings_are_read_again_after_ever_longer_pauses() {
        let host = FakeHost::unified();
        let mut memory = SharedMemory::default();
        let mut read_at = Vec::new();
        for second in 0..400 {
            maps(&host, 7, &[second + 1]);
            memory.refresh(&host.root(), 7, None, Nanos(second * Nanos::SECOND.0));
            if numbers(&memory) == [second + 1] {
                read_at.push(second);
            }
        }
        assert_eq!(read_at, [0, 1, 3, 7, 15, 31, 63, 127, 191, 255, 319, 383]);
    }

    #[test]
    fn what_there_is_no_time_for_is_read_in_the_next_sample() {
        let host = FakeHost::unified();
        maps(&host, 7, &[5]);
        let mut memory = SharedMemory::default();
        assert!(!Patience(Duration::ZERO).refresh(&mut memory, &host.root(), 7, None, Nanos(0)));
        assert!(Patience::default().refresh(&mut memory, &host.root(), 7, None, Nanos(0)));
        assert_eq!(numbers(&memory), [5]);
        // A reading takes some time, however short.
        let mut short = Patience(Duration::from_nanos(1));
        maps(&host, 8, &[6]);
        let mut other = SharedMemory::default();
        assert!(short.refresh(&mut memory, &host.root(), 8, None, Nanos(2 * Nanos::SECOND.0)));
        assert!(!short.refresh(&mut other, &host.root(), 8, None, Nanos(0)));
    }

    #[test]
    fn an_unreadable_file_keeps_its_last_value() {
        let host = FakeHost::unified();
        maps(&host, 7, &[5]);
        let mut memory = SharedMemory::default();
        memory.refresh(&host.root(), 7, None, Nanos(0));
        std::fs::remove_file(host.path("proc/7/maps")).unwrap();
        memory.refresh(&host.root(), 7, None, Nanos::SECOND);
        assert_eq!(numbers(&memory), [5]);
    }

    #[test]
    fn a_file_that_two_vms_map_belongs_to_neither() {
        let host = FakeHost::unified();
        maps(&host, 7, &[1, 2]);
        maps(&host, 8, &[2, 3]);
        let vms: BTreeMap<u32, KnownVm> = [known(&host, 7), known(&host, 8)].into();
        let sharing = Sharing::of(&vms);
        let own = |pid: u32| -> Vec<u64> {
            sharing.own(&vms[&pid]).iter().map(|file| file.number).collect()
        };
        assert_eq!((own(7), own(8)), (vec![1], vec![3]));
    }
}
