//! The account of one VM over a recording. Pure. Sums include the time in which they were known.

use std::collections::BTreeMap;

use super::series::{Marks, Series, Timeline};
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::model::{Snapshot, quantile};
use memtrace_core::sample::VmId;
use memtrace_core::units::{Nanos, WallNanos};

/// Maximum number of VMs. Beyond it, quiet VMs that are gone are dropped.
pub const MOST_VMS: usize = 2048;

/// A rate summed over the time in which it was known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sum {
    amount: f64,
    seconds: f64,
    /// Why it was last unknown.
    because: Option<String>,
}

impl Sum {
    pub fn add<T: Copy>(&mut self, seconds: f64, measured: &Measured<T>, value: impl Fn(T) -> f64) {
        match measured.value.map(value).filter(|value| value.is_finite()) {
            Some(value) => {
                self.amount += value * seconds;
                self.seconds += seconds;
            }
            None => {
                let reason = measured.quality.reason();
                if self.because.as_deref() != reason {
                    self.because = reason.map(str::to_owned);
                }
            }
        }
    }

    /// `None`: it was never known.
    pub fn amount(&self) -> Option<f64> {
        (self.seconds > 0.0).then_some(self.amount)
    }

    /// Over the time in which it was known.
    pub fn mean(&self) -> Option<f64> {
        self.amount().map(|amount| amount / self.seconds)
    }

    pub fn because(&self) -> Option<&str> {
        self.because.as_deref()
    }
}

/// Counts by bucket, and whether they were available.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    pub counts: Vec<u64>,
    pub known: bool,
    pub because: Option<String>,
}

impl Waits {
    pub fn add(&mut self, histogram: &Measured<Vec<u64>>) {
        let Some(counts) = &histogram.value else {
            let reason = histogram.quality.reason();
            if self.because.as_deref() != reason {
                self.because = reason.map(str::to_owned);
            }
            return;
        };
        self.known = true;
        // A histogram has no more, whatever a file says.
        let counts = counts.iter().take(memtrace_ebpf::HISTOGRAM_BUCKETS);
        for (index, count) in counts.enumerate().filter(|(_, count)| **count > 0) {
            if self.counts.len() <= index {
                self.counts.resize(index + 1, 0);
            }
            if let Some(sum) = self.counts.get_mut(index) {
                *sum = sum.saturating_add(*count);
            }
        }
    }

    pub fn quantile(&self, share: f64) -> Option<Nanos> {
        self.count().filter(|count| *count > 0)?;
        quantile(&self.counts, share).value
    }

    /// `None`: not available.
    pub fn count(&self) -> Option<u64> {
        let sum = || self.counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        self.known.then(sum)
    }
}

/// One VM.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Untrusted text.
    pub name: String,
    pub seen: WallNanos,
    /// Seconds in which it was seen.
    pub seconds: f64,
    /// Seconds of waiting.
    pub stalled: Sum,
    /// Bytes.
    pub swap_in: Sum,
    pub swap_out: Sum,
    /// Pages reclaimed by it, and from it.
    pub caused: Sum,
    pub taken: Sum,
    pub oom_kills: Option<u64>,
    pub reclaim: Waits,
    pub async_fault: Waits,
    pub swap_wait: Waits,
    /// In per cent.
    pub stall_line: Series,
    /// In bytes per second.
    pub swap_line: Series,
    pub decisions: Marks,
    pub alerts: Marks,
}

impl Account {
    fn add(&mut self, vm: &VmView, line: Timeline, tick: &Tick) {
        let title = vm.title();
        if self.name != title {
            self.name = title.into_owned();
        }
        self.seen = tick.at;
        self.oom_kills = vm.oom_kills.value.or(self.oom_kills);
        let seconds = tick.seconds;
        self.seconds += seconds;
        self.stalled.add(seconds, &vm.stalled, |share| share.0 / 100.0);
        self.swap_in.add(seconds, &vm.swap_in, |rate| rate.0);
        self.swap_out.add(seconds, &vm.swap_out, |rate| rate.0);
        self.caused.add(seconds, &vm.caused_pages, |rate| rate.0);
        self.taken.add(seconds, &vm.taken, |rate| rate.0);
        self.reclaim.add(&vm.reclaim_histogram);
        self.async_fault.add(&vm.async_fault_histogram);
        self.swap_wait.add(&vm.swap_in_histogram);
        if let Some(span) = tick.span {
            self.stall_line.add(line, span, vm.stalled.value.map(|share| share.0));
            self.swap_line.add(line, span, vm.swap_in.value.map(|rate| rate.0));
        }
    }

    pub fn widen(&mut self, times: u32) {
        self.stall_line.widen(times);
        self.swap_line.widen(times);
        self.decisions.widen(times);
        self.alerts.widen(times);
    }

    /// Without known stalls and swap-ins.
    pub fn is_quiet(&self) -> bool {
        let none = |sum: &Sum| sum.amount().unwrap_or(0.0) <= 0.0;
        none(&self.stalled)
            && none(&self.swap_in)
            && self.decisions.is_empty()
            && self.alerts.is_empty()
    }

    /// The sort key, most stalled first: stalls, then swap-ins.
    pub fn suffering(&self) -> (f64, f64) {
        (self.stalled.amount().unwrap_or(0.0), self.swap_in.amount().unwrap_or(0.0))
    }
}

/// When a snapshot is of.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    pub at: WallNanos,
    /// That its rates are over; nothing in a first one.
    pub seconds: f64,
    /// What it is drawn over. `None`: it says nothing of what was in between.
    pub span: Option<(WallNanos, WallNanos)>,
}

/// All VMs that are followed.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    pub all: BTreeMap<VmId, Account>,
    /// Those that were given up, and how often one found no room.
    pub left_out: u64,
}

impl Accounts {
    pub fn add(&mut self, snapshot: &Snapshot, line: Timeline, tick: &Tick) {
        for vm in &snapshot.vms {
            if self.all.len() >= MOST_VMS && !self.all.contains_key(&vm.id) {
                self.make_room(snapshot);
            }
            if self.all.len() < MOST_VMS || self.all.contains_key(&vm.id) {
                self.all.entry(vm.id).or_default().add(vm, line, tick);
            } else {
                self.left_out = self.left_out.saturating_add(1);
            }
        }
    }

    /// A quarter of the VMs goes: of those that are gone, the ones that suffered least.
    fn make_room(&mut self, snapshot: &Snapshot) {
        let is_gone = |account: &Account| account.seen < snapshot.wall;
        let before = snapshot.interval.unwrap_or_default();
        let lately = WallNanos(snapshot.wall.0.saturating_sub(before.0.saturating_mul(2)));
        let gone = self.all.iter().filter(|(_, one)| is_gone(one) && one.seen < lately);
        let mut gone: Vec<(VmId, (f64, f64))> =
            gone.map(|(id, account)| (*id, account.suffering())).collect();
        gone.sort_by(|one, other| {
            one.1.0.total_cmp(&other.1.0).then(one.1.1.total_cmp(&other.1.1))
        });
        for (id, _) in gone.iter().take(MOST_VMS / 4) {
            self.all.remove(id);
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    pub fn widen(&mut self, times: u32) {
        if times > 0 {
            self.all.values_mut().for_each(|account| account.widen(times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::units::Percent;

    fn tick(second: u64) -> Tick {
        let at = WallNanos(second * Nanos::SECOND.0);
        let from = WallNanos(at.0 - Nanos::SECOND.0);
        Tick { at, seconds: 1.0, span: Some((from, at)) }
    }

    #[test]
    fn a_value_never_known_has_no_sum_and_a_reason() {
        let line = Timeline::new(WallNanos(0));
        let mut accounts = Accounts::default();
        let mut vm = fixture::unprivileged("web", 5);
        accounts.add(&fixture::snapshot(vec![vm.clone()]), line, &tick(1));
        let account = &accounts.all[&vm.id];
        assert_eq!(account.stalled.amount(), None);
        assert!(account.stalled.because().is_some_and(|why| why.contains("CAP_BPF")));
        assert_eq!((account.reclaim.count(), account.reclaim.quantile(0.5)), (None, None));
        assert!(account.stall_line.buckets().is_empty() && account.is_quiet());
        vm.stalled = Measured::exact(Percent(50.0));
        accounts.add(&fixture::snapshot(vec![vm.clone()]), line, &tick(2));
        let account = &accounts.all[&vm.id];
        assert_eq!((account.stalled.amount(), account.seconds), (Some(0.5), 2.0));
        assert_eq!(account.stalled.mean(), Some(0.5), "over the second in which it was known");
        assert!(!account.stall_line.buckets()[0].is_known(), "the first second is a gap");
    }

    #[test]
    fn waits_add_up_over_moments() {
        let (mut waits, noisy) = (Waits::default(), fixture::noisy());
        waits.add(&noisy.reclaim_histogram);
        waits.add(&noisy.reclaim_histogram);
        assert_eq!(waits.count(), Some(246));
        let p50 = waits.quantile(0.5).map(|time| time.0 / 100_000);
        assert_eq!(p50, Some(9), "920 us are the middle one");
    }

    #[test]
    fn there_are_never_more_vms_than_there_is_room_for() {
        let mut accounts = Accounts::default();
        let line = Timeline::new(WallNanos(0));
        let add = |accounts: &mut Accounts, second: u64, vms: Vec<VmView>| {
            let mut snapshot = fixture::snapshot(vms);
            snapshot.wall = tick(second).at;
            accounts.add(&snapshot, line, &tick(second));
        };
        let many = |from: u32, count: u32| -> Vec<VmView> {
            (from..from + count).map(|pid| fixture::vm("many", pid)).collect()
        };
        add(&mut accounts, 10, vec![fixture::noisy()]);
        add(&mut accounts, 11, many(10_000, 2040));
        add(&mut accounts, 100, many(20_000, 100));
        assert!(accounts.all.len() <= MOST_VMS && accounts.left_out > 0);
        assert!(accounts.all.contains_key(&fixture::noisy().id), "it has suffered");
        let newest = fixture::vm("many", 20_099).id;
        assert!(accounts.all.contains_key(&newest), "those that are there have room");
        // More at once than there is room for.
        add(&mut accounts, 101, many(30_000, 3000));
        assert!(accounts.all.len() <= MOST_VMS);
    }
}
