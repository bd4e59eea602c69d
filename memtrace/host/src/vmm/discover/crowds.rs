//! Bounds the number of VMs per user: each VM is read in each sample and takes one of the kernel
//! side's slots, and any user may start thousands. Root, which runs all VMs of some hosts, is not
//! bounded. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::Suspect;
use super::standing::Standing;
use super::turns::User;

/// VMs of which one user has only so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum VmKind {
    /// By its command line alone, or in its user's session.
    Claimed,
    /// One that holds a guest of KVM, outside of a session: a manager runs all its VMs as one user.
    Guest,
}

/// An ordinary user's, for whom more are no VMs of the host's.
const MOST_CLAIMED: usize = 256;
/// Half of the slots: a manager may run thousands of small VMs as one user.
const MOST_GUESTS: usize = 2048;

impl VmKind {
    pub(super) const fn of(standing: Standing, holds_guest: bool) -> Self {
        if standing.is_in_session() || !holds_guest { Self::Claimed } else { Self::Guest }
    }

    const fn of_suspect(suspect: &Suspect) -> Self {
        Self::of(suspect.standing, suspect.description.kvm)
    }

    pub(super) const fn most(self) -> usize {
        match self {
            Self::Claimed => MOST_CLAIMED,
            Self::Guest => MOST_GUESTS,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Claimed => {
                "processes that are VMs by their command lines alone, without a guest of KVM, or in \
                 its session"
            }
            Self::Guest => "VMs with a guest of KVM",
        }
    }
}

/// Processes that aren't taken, as their users have as many of the kind.
#[derive(Debug, Default)]
pub(super) struct Crowds(BTreeMap<u32, (User, VmKind)>);

impl Crowds {
    /// Whether process `pid` exceeds its user's bound; remembered until the next call.
    pub(super) fn is_one_too_many(
        &mut self,
        suspects: &BTreeMap<u32, Suspect>,
        pid: u32,
        user: User,
        kind: VmKind,
    ) -> bool {
        self.0.remove(&pid);
        let same = |one: &Suspect| one.user == user && VmKind::of_suspect(one) == kind;
        if user == Some(0) || suspects.get(&pid).is_some_and(same) {
            return false;
        }
        let many = suspects.values().filter(|one| same(one)).count() >= kind.most();
        if many {
            self.0.insert(pid, (user, kind));
        }
        many
    }

    pub(super) fn remove(&mut self, pid: u32) {
        self.0.remove(&pid);
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.0.retain(|&pid, _| is_there(pid));
    }

    /// For the operator: `whose` has more than are taken.
    pub(super) fn notices(&self, whose: impl Fn(User) -> String) -> Vec<String> {
        let crowds: BTreeSet<(User, VmKind)> = self.0.values().copied().collect();
        let notice = |(user, kind): (User, VmKind)| {
            let (whose, most, name) = (whose(user), kind.most(), kind.name());
            format!("{whose} has more than {most} {name}: the others are not counted")
        };
        crowds.into_iter().map(notice).collect()
    }
}
