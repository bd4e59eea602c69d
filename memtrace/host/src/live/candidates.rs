//! Processes with a slot that are not (yet) known to be VMs. Slots are few, so their number is
//! bounded per user, and in time.

use std::collections::BTreeMap;

use memtrace_core::units::Nanos;

/// Time that a process with a slot may take to become a VM.
const TIME: Nanos = Nanos(10_000_000_000);
/// Most at a time, and of one user who isn't root: where a manager runs all VMs as root, root's are
/// all there are.
const MOST: usize = 64;
const MOST_OF_A_USER: usize = 16;

/// By process id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Candidates(BTreeMap<u32, Candidate>);

#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    user: Option<u32>,
    since: Nanos,
}

impl Candidates {
    /// Whether process `pid` of `user` may keep its slot for now.
    pub(super) fn admit(&mut self, pid: u32, user: Option<u32>, now: Nanos) -> bool {
        if self.0.contains_key(&pid) {
            return true;
        }
        let same = self.0.values().filter(|one| one.user == user).count();
        let room = self.0.len() < MOST && (user == Some(0) || same < MOST_OF_A_USER);
        if room {
            self.0.insert(pid, Candidate { user, since: now });
        }
        room
    }

    /// It is a VM by now, or has no slot any more.
    pub(super) fn remove(&mut self, pid: u32) {
        self.0.remove(&pid);
    }

    /// Those that did not become VMs in time, or of which `is_gone` says so.
    pub(super) fn late(&self, now: Nanos, is_gone: impl Fn(u32) -> bool) -> Vec<u32> {
        let late = |pid, one: &Candidate| now.saturating_sub(one.since) > TIME || is_gone(pid);
        self.0.iter().filter(|(pid, one)| late(**pid, one)).map(|(&pid, _)| pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_some_of_the_slots_and_root_as_many_as_there_are() {
        let mut candidates = Candidates::default();
        let mut admit = |pid, user| candidates.admit(pid, user, Nanos(0));
        let of_user = (100..200).filter(|&pid| admit(pid, Some(1000))).count();
        let of_nobody = (200..300).filter(|&pid| admit(pid, None)).count();
        assert_eq!((of_user, of_nobody), (MOST_OF_A_USER, MOST_OF_A_USER));
        assert!(admit(100, Some(1000)), "it has one");
        let of_root = (300..400).filter(|&pid| admit(pid, Some(0))).count();
        assert_eq!(of_root, MOST - 2 * MOST_OF_A_USER);
    }

    #[test]
    fn a_slot_is_kept_for_so_long_and_not_for_who_is_gone() {
        let mut candidates = Candidates::default();
        for pid in [7, 8] {
            assert!(candidates.admit(pid, None, Nanos(1)));
        }
        // Another event doesn't lengthen it.
        assert!(candidates.admit(7, None, TIME));
        assert_eq!(candidates.late(TIME, |pid| pid == 8), [8]);
        assert_eq!(candidates.late(Nanos(TIME.0 + 2), |_| false), [7, 8]);
        candidates.remove(7);
        assert_eq!(candidates.late(Nanos(TIME.0 + 2), |_| false), [8]);
    }
}
