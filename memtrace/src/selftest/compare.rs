//! From two quiet moments to the table, and from the table to a verdict on each signal.
//! Pure.

use super::rows::{self, Rows};
use crate::model::snapshot::VmView;
use crate::model::{Measured, Snapshot, derive};
use crate::sample::{FlowSample, MemoryStat, Party, Sample, VmId, VmSample};
use crate::truth::table::{Rule, Table};
use crate::units::{ByteRate, Rate};

/// Whose rows.
pub const GUEST: &str = "guest";
pub const BYSTANDER: &str = "bystander";
pub const HOST: &str = "host";
/// A name beside those of signals: memtrace reads them from memory.stat.
pub const REFAULTS: &str = "refaults";

/// Why asynchronous faults of a KVM guest weren't compared. Swap that answers at once, as
/// zram does, leads to none.
pub const NO_ASYNC_FAULTS: &str = "none happened";

/// What the kernel counts of one process. `None`: this kernel doesn't, or not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    pub swap_pages: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    /// The delay accounting's.
    pub reclaims: Option<u64>,
    pub reclaim_ns: Option<u64>,
    /// Of the cgroup that is its own, as are the next.
    pub stat: Option<MemoryStat>,
    pub limit_hits: Option<u64>,
    /// `some` of memory.pressure.
    pub pressure_us: Option<u64>,
}

/// Both sides at a moment at which none of the kernel's counters moved.
#[derive(Clone, Debug)]
pub struct Moment {
    pub sample: Sample,
    pub guest: KernelCounters,
    pub bystander: KernelCounters,
}

/// What is compared.
pub struct Trial<'a> {
    pub from: &'a Moment,
    pub to: &'a Moment,
    /// Process ids.
    pub guest: u32,
    pub bystander: u32,
    /// It is a KVM guest.
    pub kvm: bool,
    /// Why the guest wasn't pressed, if so.
    pub no_pressure: Option<&'a str>,
}

/// Both sides of one process, and how much each grew.
struct Side<'a> {
    view: &'a VmView,
    from: &'a KernelCounters,
    to: &'a KernelCounters,
    seconds: f64,
    page_size: f64,
}

impl Side<'_> {
    fn events(&self, rate: &Measured<Rate>) -> Measured<f64> {
        rate.clone().map(|rate| (rate.0 * self.seconds).round())
    }

    fn pages(&self, rate: &Measured<ByteRate>) -> Measured<f64> {
        rate.clone().map(|rate| (rate.0 * self.seconds / self.page_size).round())
    }

    fn kernel(&self, counter: impl Fn(&KernelCounters) -> Option<u64>) -> Option<f64> {
        Some(grown(counter(self.from)?, counter(self.to)?))
    }

    fn stat(&self, line: impl Fn(&MemoryStat) -> Option<u64>) -> Option<f64> {
        self.kernel(|counters| line(counters.stat.as_ref()?))
    }

    fn swap_growth(&self) -> f64 {
        grown(self.from.swap_pages, self.to.swap_pages)
    }
}

/// The table of a trial.
pub fn table(trial: &Trial<'_>) -> Table {
    let snapshot = derive(Some(&trial.from.sample), &trial.to.sample);
    let mut rows = Rows::default();
    let guest = side(trial, &snapshot, GUEST);
    let bystander = side(trial, &snapshot, BYSTANDER);
    match &guest {
        None => rows.skip_guest(trial.kvm, "memtrace doesn't show the guest"),
        Some(guest) => {
            faults(guest, &mut rows);
            match trial.no_pressure {
                Some(reason) => rows.skip_pressed(reason),
                None => pressed(trial, guest, &mut rows),
            }
        }
    }
    match &bystander {
        None => rows.skip_bystander("memtrace doesn't show the bystander"),
        Some(bystander) => idle(bystander, &mut rows),
    }
    rows.skip_unprovoked();
    rows.into_table()
}

fn side<'a>(
    trial: &'a Trial<'_>,
    snapshot: &'a Snapshot,
    subject: &'static str,
) -> Option<Side<'a>> {
    let is_guest = subject == GUEST;
    let pid = if is_guest { trial.guest } else { trial.bystander };
    let counters = |moment: &'a Moment| {
        if is_guest { &moment.guest } else { &moment.bystander }
    };
    Some(Side {
        view: snapshot.vms.iter().find(|vm| vm.pid == pid)?,
        from: counters(trial.from),
        to: counters(trial.to),
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

/// Everything that needs the guest to be pressed.
fn pressed(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    swapped(rows::SWAPPED, guest, rows);
    swap_ins(guest, rows);
    let major = guest.events(&guest.view.major_faults);
    let kernel = guest.stat(|stat| stat.pgmajfault);
    rows.compare(rows::MAJOR_FAULTS, major, kernel, Rule::within(1.0, 4.0));
    asynchronous(trial, guest, rows);
    reclaims(guest, rows);
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

/// By what was read from swap, and where the kernel doesn't tell, by what was missed.
fn swap_ins(guest: &Side<'_>, rows: &mut Rows) {
    let back = guest.pages(&guest.view.swap_in);
    match guest.stat(|stat| stat.pswpin) {
        Some(read) => rows.compare(rows::SWAP_IN, back, Some(read), Rule::within(1.0, 16.0)),
        None => {
            let refaulted = guest.stat(|stat| stat.workingset_refault_anon);
            let rule = Rule::within(2.0, 16.0);
            rows.compare(rows::SWAP_IN_BY_REFAULT, back, refaulted, rule);
        }
    }
}

fn asynchronous(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let begun = guest.events(&guest.view.async_faults);
    if !trial.kvm {
        return rows.skip(rows::ASYNC_FAULTS, "the guest is no KVM guest");
    }
    if begun.value == Some(0.0) {
        return rows.skip(rows::ASYNC_FAULTS, NO_ASYNC_FAULTS);
    }
    let done = counted(trial, guest, |counters| counters.async_faults_done);
    let done = Measured::new(done, begun.quality.clone());
    rows.compare(rows::ASYNC_FAULTS, done, begun.value, Rule::within(0.0, 0.0));
}

fn reclaims(guest: &Side<'_>, rows: &mut Rows) {
    let within = guest.events(&guest.view.memcg_reclaims);
    let all = plus(guest.events(&guest.view.direct_reclaims), within.clone());
    let kernel = guest.kernel(|counters| counters.reclaims);
    rows.compare(rows::RECLAIMS, all, kernel, Rule::within(2.0, 4.0));
    // Those of kernel workers that fault for the guest are among the kernel's.
    let hits = guest.kernel(|counters| counters.limit_hits);
    rows.compare(rows::LIMIT_HITS, within, hits, Rule::AtMost);
}

fn stalls(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let nanos = counted(trial, guest, |counters| {
        counters.direct_reclaim_ns.saturating_add(counters.memcg_reclaim_ns)
    });
    let view = guest.view;
    let quality = view.direct_reclaims.quality.clone().and(view.memcg_reclaims.quality.clone());
    let stalled = Measured::new(nanos.map(|nanos| nanos / 1e6), quality);
    let delay = guest.kernel(|counters| counters.reclaim_ns).map(|nanos| nanos / 1e6);
    rows.compare(rows::STALLED, stalled.clone(), delay, Rule::within(5.0, 1.0));
    let some = guest.kernel(|counters| counters.pressure_us).map(|micros| micros / 1e3 * 1.05);
    rows.compare(rows::PRESSURE, stalled, some, Rule::AtMost);
}

fn taken(trial: &Trial<'_>, guest: &Side<'_>, rows: &mut Rows) {
    let taken = guest.events(&guest.view.taken);
    let back =
        guest.stat(|stat| stat.pswpin).or_else(|| guest.stat(|stat| stat.workingset_refault_anon));
    let lost = back.map(|back| back + guest.swap_growth());
    rows.compare(rows::TAKEN, taken.clone(), lost, Rule::within(2.0, 16.0));
    let stolen = guest.stat(|stat| stat.pgsteal);
    rows.compare(rows::STOLEN, taken.clone(), stolen, Rule::within(2.0, 16.0));
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

/// A sum, as trustworthy as the less trustworthy of its parts.
fn plus(one: Measured<f64>, other: Measured<f64>) -> Measured<f64> {
    let sum = one.value.zip(other.value).map(|(one, other)| one + other);
    Measured::new(sum, one.quality.and(other.quality))
}

/// Growth as a number with a sign; exact up to 2^53.
fn grown(from: u64, to: u64) -> f64 {
    to as f64 - from as f64
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
