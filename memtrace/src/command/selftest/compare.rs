//! From two quiescent samples to the table, and from the table to a verdict on each signal. Pure.

use super::rows::{self, Rows};
use super::side::{KernelCounters, Side, grown, plus};
use super::subject::Table;
use memtrace_core::accuracy::table::Rule;
use memtrace_core::model::{Measured, Snapshot, derive};
use memtrace_core::sample::{FlowSample, Party, Sample, VmId, VmSample};
use memtrace_core::signal::{Signal, SignalStatus};

/// Both sides at a point at which none of the kernel's counters moved, or as little as could
/// be had.
#[derive(Clone, Debug)]
pub struct TimePoint {
    pub sample: Sample,
    pub guest: KernelCounters,
    pub bystander: KernelCounters,
    /// What the kernel counted for the two just before the sample, where it moves.
    pub earlier: Option<(KernelCounters, KernelCounters)>,
}

impl TimePoint {
    /// With the kernel's counters of before the sample.
    fn before(&self) -> Self {
        let (guest, bystander) =
            self.earlier.clone().unwrap_or((self.guest.clone(), self.bystander.clone()));
        Self { sample: self.sample.clone(), guest, bystander, earlier: None }
    }
}

/// What is compared.
pub struct Trial<'a> {
    pub from: &'a TimePoint,
    pub to: &'a TimePoint,
    /// Process ids.
    pub guest: u32,
    pub bystander: u32,
    /// It is a KVM guest.
    pub kvm: bool,
    /// Why the guest wasn't limited, if so.
    pub no_pressure: Option<&'a str>,
    /// Processors of the host.
    pub cpus: u32,
}

/// The table of a trial. Where counters moved as they were read, each number of the kernel is
/// one between the least and the most that it can have grown: that which is nearest to
/// memtrace's.
pub fn table(trial: &Trial<'_>) -> Table {
    let (from, to) = (trial.from, trial.to);
    if from.earlier.is_none() && to.earlier.is_none() {
        return settled(trial).into_table();
    }
    let least = settled(&Trial { to: &to.before(), ..*trial });
    let most = settled(&Trial { from: &from.before(), ..*trial });
    most.nearest(&least, f64::from(trial.cpus) * STAT_LAG).into_table()
}

/// Events of a CPU that memory.stat may lack while it moves: it is brought up to date once there
/// are more (MEMCG_CHARGE_BATCH, `memcg_vmstats_needs_flush` in mm/memcontrol.c).
const STAT_LAG: f64 = 64.0;

/// The rows of a trial whose counters stood still, or are taken for that.
fn settled(trial: &Trial<'_>) -> Rows {
    let snapshot = derive(Some(&trial.from.sample), &trial.to.sample);
    let mut rows = Rows::default();
    let guest = side(trial, &snapshot, (trial.guest, |point| &point.guest));
    let bystander = side(trial, &snapshot, (trial.bystander, |point| &point.bystander));
    match &guest {
        None => rows.skip_guest(trial.kvm, "the guest is missing in memtrace's snapshot"),
        Some(guest) => {
            faults(guest, &mut rows);
            match trial.no_pressure {
                Some(reason) => rows.skip_pressed(reason),
                None => pressed(trial, guest, &mut rows),
            }
        }
    }
    match &bystander {
        None => rows.skip_bystander("the bystander is missing in memtrace's snapshot"),
        Some(bystander) => idle(bystander, &mut rows),
    }
    rows.skip_unprovoked();
    rows
}

fn side<'a>(
    trial: &'a Trial<'_>,
    snapshot: &'a Snapshot,
    (pid, counters): (u32, fn(&TimePoint) -> &KernelCounters),
) -> Option<Side<'a>> {
    Some(Side {
        view: snapshot.vms.iter().find(|vm| vm.pid == pid)?,
        from: counters(trial.from),
        to: counters(trial.to),
        signals: &snapshot.signals,
        seconds: snapshot.interval?.seconds(),
        page_size: trial.to.sample.page_size.0 as f64,
    })
}

/// A KVM guest's faults are exits, of which a page causes one or more. Where the kernel runs
/// it without (as PVM does), they are the process's own, as without KVM.
fn faults(guest: &Side<'_>, rows: &mut Rows) {
    let kernel = guest.kernel(|counters| Some(counters.minor_faults + counters.major_faults));
    let exits = guest.events(&guest.view.guest_faults);
    if exits.value.is_some_and(|exits| exits > 0.0) {
        rows.compare(rows::GUEST_FAULTS, exits, kernel, Rule::AtLeast);
    } else {
        let faults =
            plus(guest.events(&guest.view.user_faults), guest.events(&guest.view.kernel_faults));
        rows.compare(rows::USER_FAULTS, faults, kernel, Rule::within(1.0, 16.0));
    }
}

/// All rows that need a limited guest.
fn pressed(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    swapped(rows::SWAPPED, guest, rows);
    swap_ins(trial, guest, rows);
    let major = guest.events(&guest.view.major_faults);
    let kernel = guest.stat(|stat| stat.pgmajfault);
    rows.compare(rows::MAJOR_FAULTS, major, kernel, Rule::within(1.0, 4.0));
    asynchronous(trial, guest, rows);
    reclaims(trial, guest, rows);
    stalls(trial, guest, rows);
    taken(trial, guest, rows);
    let refaults = guest.events(&guest.view.refaults);
    let kernel =
        guest.stat(|stat| Some(stat.workingset_refault_anon? + stat.workingset_refault_file?));
    rows.compare(rows::REFAULTED, refaults, kernel, Rule::within(2.0, 16.0));
}

fn swapped(key: rows::Key, side: &Side<'_>, rows: &mut Rows) {
    let (out, back) = (side.pages(&side.view.swap_out), side.pages(&side.view.swap_in));
    let net = plus(out, back.map(|pages| -pages));
    rows.compare(key, net, Some(side.swap_growth()), Rule::within(1.0, 16.0));
}

/// Pages read from swap, where both sides count them. Swap-ins are more: a page that is
/// needed again before it is gone (it waits to be written, in the swap cache) comes back
/// without being read, and is no refault. And it is less by what was read ahead in vain.
/// (Linux 6.12 on a slow disk: 24,871 came back, and there were 20,596 refaults.)
fn swap_ins(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let hooked = |status: &SignalStatus| status.signal == Signal::MajorFaults && status.hooked;
    let read = match trial.to.sample.signals.iter().any(hooked) {
        true => counted(trial, guest, |counters| counters.swap_read_pages),
        false => None,
    };
    let quality = guest.quality(Signal::MajorFaults);
    let read = match read {
        Some(read) => Measured::new(Some(read), quality),
        None => Measured::absent("no hook counts it"),
    };
    let kernel = guest.stat(|stat| stat.pswpin);
    rows.compare(rows::SWAP_READ, read, kernel, Rule::within(1.0, 4.0));
    let refaulted = guest.stat(|stat| stat.workingset_refault_anon).map(|pages| pages * 0.98);
    rows.compare(rows::SWAP_IN, guest.pages(&guest.view.swap_in), refaulted, Rule::AtLeast);
}

fn asynchronous(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let begun = guest.events(&guest.view.async_faults);
    if !trial.kvm {
        return rows.skip(rows::ASYNC_FAULTS, "the guest is no KVM guest");
    }
    if begun.value == Some(0.0) {
        // Swap that answers at once, as zram does, leads to none.
        return rows.did_not_occur(rows::ASYNC_FAULTS);
    }
    let done = counted(trial, guest, |counters| counters.async_faults_done);
    let done = Measured::new(done, begun.quality.clone());
    rows.compare(rows::ASYNC_FAULTS, done, begun.value, Rule::within(0.0, 0.0));
}

/// Whether memtrace charges the VM with what kernel workers reclaim for it, as it does where
/// the kernel reports for whom. The delay accounting of the VM's process doesn't.
fn with_workers(trial: &Trial<'_>) -> bool {
    trial
        .to
        .sample
        .signals
        .iter()
        .any(|status| status.signal == Signal::ReclaimForVm && !status.quality.is_absent())
}

fn reclaims(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let within = guest.events(&guest.view.memcg_reclaims);
    let all = plus(guest.events(&guest.view.direct_reclaims), within.clone());
    let kernel = guest.kernel(|counters| counters.reclaims);
    let hits = guest.kernel(|counters| counters.limit_hits);
    let bound = Rule::within(2.0, 4.0);
    if with_workers(trial) {
        let least = kernel.map(|count| count * 0.98);
        rows.compare(rows::RECLAIMS_AT_LEAST, all, least, Rule::AtLeast);
        let refused = guest.kernel(|counters| counters.huge_pages_refused);
        limit_hits(within, hits, refused, bound, rows);
    } else {
        rows.compare(rows::RECLAIMS, all, kernel, bound);
        // Those of kernel workers that fault for the guest are among the kernel's.
        rows.compare(rows::LIMIT_HITS, within, hits, Rule::AtMost);
    }
}

/// Since about 7.3 a huge page that is refused because of the limit, and that nothing is
/// reclaimed for (`defrag` is `madvise` or `never`), is a `max` event as well (7.3.4: 302
/// reclaims, 17 refused, 319 events). The kernel tells of both, and not which it does.
fn limit_hits(
    within: Measured<f64>,
    hits: Option<f64>,
    refused: Option<f64>,
    bound: Rule,
    rows: &mut Rows,
) {
    let fewer = hits.zip(refused).map(|(hits, refused)| hits - refused);
    let is_nearer = within.value.zip(hits).zip(fewer).is_some_and(|((reclaims, hits), fewer)| {
        (reclaims - fewer).abs() < (reclaims - hits).abs()
    });
    match is_nearer {
        true => rows.compare(rows::LIMIT_HITS_BUT_HUGE, within, fewer, bound),
        false => rows.compare(rows::LIMIT_HITS, within, hits, bound),
    }
}

fn stalls(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let nanos = counted(trial, guest, |counters| {
        counters.direct_reclaim_ns.saturating_add(counters.memcg_reclaim_ns)
    });
    let view = guest.view;
    let quality = view.direct_reclaims.quality.clone().and(view.memcg_reclaims.quality.clone());
    let stalled = Measured::new(nanos.map(|nanos| nanos / 1e6), quality);
    let delay = guest.kernel(|counters| counters.reclaim_ns).map(|nanos| nanos / 1e6);
    if with_workers(trial) {
        let least = delay.map(|delay| delay * 0.95);
        rows.compare(rows::STALLED_AT_LEAST, stalled, least, Rule::AtLeast);
        rows.skip(rows::PRESSURE, "memtrace's value includes the time of kernel workers");
    } else {
        rows.compare(rows::STALLED, stalled.clone(), delay, Rule::within(5.0, 1.0));
        let some = guest.kernel(|counters| counters.pressure_us).map(|us| us / 1e3 * 1.05);
        rows.compare(rows::PRESSURE, stalled, some, Rule::AtMost);
    }
}

fn taken(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let taken = guest.events(&guest.view.taken);
    let back = guest.pages(&guest.view.swap_in).value;
    let lost = back.map(|back| back + guest.swap_growth());
    rows.compare(rows::TAKEN, taken.clone(), lost, Rule::within(2.0, 16.0));
    // Pages from the swap cache were reclaimed, but never gone.
    let stolen = guest.stat(|stat| stat.pgsteal).map(|pages| pages * 0.98);
    rows.compare(rows::STOLEN, taken.clone(), stolen, Rule::AtLeast);
    let flow = |causer: &dyn Fn(Party) -> bool| {
        let pages =
            |sample: &Sample| Some(taken_by(sample.flows.as_deref()?, guest.view.id, causer));
        Some(grown(pages(&trial.from.sample)?, pages(&trial.to.sample)?))
    };
    let all = flow(&|_| true);
    let quality = guest.view.caused_pages.quality.clone();
    let by_causer = Measured::new(all, quality.clone());
    rows.compare(rows::ASSIGNED, by_causer, taken.value, Rule::within(0.0, 0.0));
    // A KVM guest's asynchronous faults are kernel workers', and what those take is too.
    let itself = Party::Vm(guest.view.id);
    let own = flow(&|causer| causer == itself || trial.kvm && causer == Party::Other);
    let share = own.zip(all).filter(|(_, all)| *all > 0.0).map(|(own, all)| own * 100.0 / all);
    rows.compare(rows::OWN_DOING, Measured::new(share, quality), Some(50.0), Rule::AtLeast);
}

/// Nothing happens to the bystander that the kernel doesn't know of, and nothing by it.
fn idle(bystander: &Side<'_>, rows: &mut Rows) {
    swapped(rows::IDLE_SWAPPED, bystander, rows);
    let caused = bystander.events(&bystander.view.caused_pages);
    rows.compare(rows::IDLE_CAUSED, caused, Some(0.0), Rule::AtMost);
    let view = bystander.view;
    let all = plus(bystander.events(&view.direct_reclaims), bystander.events(&view.memcg_reclaims));
    let kernel = bystander.kernel(|counters| counters.reclaims);
    rows.compare(rows::IDLE_RECLAIMS, all, kernel, Rule::AtMost);
}

/// Growth of a counter that no view has on its own.
fn counted(
    trial: &Trial<'_>,
    side: &Side<'_>,
    counter: impl Fn(&memtrace_ebpf::VmCounters) -> u64,
) -> Option<f64> {
    let counters = |sample: &Sample| {
        let same = |vm: &&VmSample| vm.id == side.view.id;
        sample.vms.iter().find(same)?.counters
    };
    Some(grown(counter(&counters(&trial.from.sample)?), counter(&counters(&trial.to.sample)?)))
}

/// Pages taken so far from a VM by such causers.
fn taken_by(flows: &[FlowSample], victim: VmId, causer: impl Fn(Party) -> bool) -> u64 {
    let of = |flow: &&FlowSample| flow.victim == Party::Vm(victim) && causer(flow.causer);
    flows.iter().filter(of).map(|flow| flow.pages.0).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod course;
#[cfg(test)]
mod tests;
