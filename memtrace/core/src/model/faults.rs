//! Page faults of one VM. Major faults have three sources, of which the best is taken.

use crate::model::Measured;
use crate::model::cgroup;
use crate::model::pair::Pair;
use crate::model::rates::{Growth, better, exact, sum};
use crate::sample::Accelerator;
use crate::signal::{Quality, Signal};
use crate::units::Rate;

pub(super) struct Faults {
    pub(super) all: Measured<Rate>,
    pub(super) guest: Measured<Rate>,
    pub(super) user: Measured<Rate>,
    pub(super) kernel: Measured<Rate>,
    pub(super) major: Measured<Rate>,
    pub(super) asynchronous: Measured<Rate>,
}

pub(super) fn faults(pair: &Pair<'_>) -> Faults {
    let guest = pair.counted(Signal::GuestFaults, |counters| counters.guest_faults);
    let user = pair.counted(Signal::UserFaults, |counters| counters.user_faults);
    let kernel = pair.counted(Signal::KernelFaults, |counters| counters.kernel_faults);
    let all = all(pair, &guest, &user, &kernel);
    let asynchronous = pair.counted(Signal::AsyncFaults, |counters| counters.async_faults);
    let rate = |growth| pair.context.rate(growth);
    Faults {
        all: rate(all),
        guest: rate(pair.by_kvm(guest)),
        user: rate(user),
        kernel: rate(kernel),
        major: rate(major(pair)),
        asynchronous: rate(pair.by_kvm(asynchronous)),
    }
}

/// By hooks; where they are not there by the process' own totals, which are told of all of its
/// threads.
fn all(pair: &Pair<'_>, guest: &Growth, user: &Growth, kernel: &Growth) -> Growth {
    let by_process = [("user faults", user.clone()), ("kernel faults", kernel.clone())];
    let hooks = match by_process {
        // What its guest faults is among them.
        by_process if pair.is_emulated() => sum(by_process),
        [user, kernel] => sum([("guest faults", guest.clone()), user, kernel]),
    };
    if user.value.is_some() && kernel.value.is_some() {
        return hooks;
    }
    let process =
        exact(pair.read(|vm| vm.process.minor_faults?.checked_add(vm.process.major_faults?)));
    let all = match (pair.is_emulated(), guest.value) {
        (true, _) => process,
        (false, Some(guest)) => {
            process.map(|process| process.max(guest)).limited_by(Quality::approximate(OVERLAP))
        }
        (false, None) => process.limited_by(Quality::approximate(
            "without faults of its guest that its process had no part in",
        )),
    };
    better(all, || hooks)
}

/// A guest's fault is a VM exit, and mostly a fault of the process as well.
const OVERLAP: &str = "the more of its guest's faults and its process', most of which are the same";

/// The kernel's PGMAJFAULT of the VM's memory, by hook or from memory.stat; else what
/// the process and the asynchronous faults add up to. The process alone misses the faults
/// that kernel workers do for it (`async_pf_execute` in virt/kvm/async_pf.c): of 3559 that
/// were measured under Linux 6.12 it had 567.
fn major(pair: &Pair<'_>) -> Growth {
    let hook = pair.counted(Signal::MajorFaults, |counters| counters.major_faults);
    // The hook knows the VM of a kernel worker's fault by the cgroup alone.
    let knows_all = pair.now.accelerator == Some(Accelerator::Tcg) || cgroup::is_own(pair.now);
    let hook = match knows_all {
        // Whatever was missed in this interval: memory.stat is up to two seconds late, so that
        // faults would count twice or not at all where one source takes over from the other.
        true if hook.value.is_some()
            && pair.context.quality(Signal::MajorFaults) == Quality::Exact =>
        {
            return hook;
        }
        true => hook,
        false => hook.limited_by(Quality::approximate(
            "without those that kernel workers did for it: its cgroup is not its alone",
        )),
    };
    let file = || cgroup::stat(pair, "pgmajfault", |stat| stat.pgmajfault);
    better(better(hook, file), || of_process(pair))
}

/// task majflt + asynchronous faults done ≈ pgmajfault: measured 3561 against 3559 under
/// Linux 6.12, and 6780 against 6777 under 7.2. Not equal, because majflt takes each fault
/// that had to be tried again for a major one (`mm_account_fault` in mm/memory.c).
fn of_process(pair: &Pair<'_>) -> Growth {
    let own = exact(pair.read(|vm| vm.process.major_faults));
    let asynchronous = pair.counted(Signal::AsyncFaults, |counters| counters.async_faults_done);
    sum([("the process's own major faults", own), ("asynchronous faults", asynchronous)])
        .limited_by(Quality::approximate(
            "the process's major faults, and some that it only tried again, and the asynchronous \
             faults that kernel workers did for it",
        ))
}
