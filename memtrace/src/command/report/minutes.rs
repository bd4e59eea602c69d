//! The worst minutes of the host. Pure.

use std::collections::BTreeMap;

use super::account::Tick;
use memtrace_core::model::Snapshot;
use memtrace_core::sample::VmId;
use memtrace_core::units::{Bytes, Nanos, WallNanos};

/// Number of minutes kept.
pub const MOST_MINUTES: usize = 10;
const MINUTE: u64 = 60 * Nanos::SECOND.0;

/// A minute. `None`: never known in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Minute {
    pub begin: WallNanos,
    /// Stall seconds of all VMs.
    pub stalled: Option<f64>,
    /// The host's, in bytes.
    pub swap_in: Option<f64>,
    /// Its least.
    pub available: Option<Bytes>,
    /// Its most, some avg10.
    pub pressure: Option<f64>,
    pub decisions: u64,
    pub alerts: u64,
    /// The most stalled VM, with seconds. Untrusted text.
    pub sufferer: Option<(String, f64)>,
}

impl Minute {
    /// The severity; `None` for a minute without pressure.
    fn badness(&self) -> Option<(f64, f64, f64)> {
        let known = |value: Option<f64>| value.unwrap_or(0.0);
        let badness = (known(self.stalled), known(self.swap_in), known(self.pressure));
        (badness.0 > 0.0 || badness.1 > 0.0 || badness.2 > 0.0).then_some(badness)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Minutes {
    now: Minute,
    stalled: BTreeMap<VmId, (String, f64)>,
    /// The worst first.
    worst: Vec<Minute>,
}

impl Minutes {
    /// `happened`: decisions and alerts at this tick.
    pub fn add(&mut self, snapshot: &Snapshot, tick: &Tick, happened: (usize, usize)) {
        let begin = WallNanos(tick.at.0 / MINUTE * MINUTE);
        if begin != self.now.begin {
            self.close();
            self.now.begin = begin;
        }
        let Minute { decisions, alerts, available, pressure, .. } = &mut self.now;
        *decisions = decisions.saturating_add(happened.0 as u64);
        *alerts = alerts.saturating_add(happened.1 as u64);
        let host = &snapshot.host;
        *available = available.iter().copied().chain(host.memory_available.value).min();
        let psi = host.psi.value.map(|psi| psi.some.avg10).filter(|psi| psi.is_finite());
        *pressure = pressure.iter().copied().chain(psi).reduce(f64::max);
        // The time between two distant moments belongs to no minute.
        if tick.span.is_none() {
            return;
        }
        add(&mut self.now.swap_in, host.swap_in.value.map(|rate| rate.0 * tick.seconds));
        for vm in &snapshot.vms {
            let seconds = vm.stalled.value.map(|share| share.0 / 100.0 * tick.seconds);
            add(&mut self.now.stalled, seconds);
            if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
                self.stalled.entry(vm.id).or_insert_with(|| (vm.title().into_owned(), 0.0)).1 +=
                    seconds;
            }
        }
    }

    /// The worst, the worst first.
    pub fn worst(mut self) -> Vec<Minute> {
        self.close();
        self.worst
    }

    fn close(&mut self) {
        let sufferers = std::mem::take(&mut self.stalled).into_values();
        let sufferer = sufferers.max_by(|one, other| one.1.total_cmp(&other.1));
        let minute = Minute { sufferer, ..std::mem::take(&mut self.now) };
        let Some(badness) = minute.badness() else { return };
        let is_better = |other: &Minute| {
            other.badness().is_none_or(|other| {
                let order = other.0.total_cmp(&badness.0).then(other.1.total_cmp(&badness.1));
                order.then(other.2.total_cmp(&badness.2)).is_lt()
            })
        };
        let place = self.worst.iter().position(is_better).unwrap_or(self.worst.len());
        self.worst.insert(place, minute);
        self.worst.truncate(MOST_MINUTES);
    }
}

fn add(sum: &mut Option<f64>, more: Option<f64>) {
    if let Some(more) = more.filter(|more| more.is_finite()) {
        *sum = Some(sum.unwrap_or(0.0) + more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::model::Measured;
    use memtrace_core::units::Percent;

    #[test]
    fn the_worst_minutes_come_first_with_who_suffered_in_them() {
        let mut minutes = Minutes::default();
        for second in 0..1800_u64 {
            let at = WallNanos(second * Nanos::SECOND.0);
            let (mut noisy, victim) = (fixture::noisy(), fixture::victim());
            // The 7th minute is bad for one, and nothing is known of the 9th.
            let share = if second / 60 == 7 { 200.0 } else { second as f64 / 100.0 };
            noisy.stalled = Measured::exact(Percent(share));
            let mut snapshot = fixture::snapshot(vec![noisy, victim]);
            if second / 60 == 9 {
                snapshot = (*fixture::without_kernel_side()).clone();
                snapshot.host.swap_in = Measured::absent("no vmstat");
            }
            let tick = Tick { at, seconds: 1.0, span: Some((at, at)) };
            minutes.add(&snapshot, &tick, (usize::from(second == 430), 0));
        }
        let worst = minutes.worst();
        let begins: Vec<u64> = worst.iter().map(|minute| minute.begin.0 / MINUTE).collect();
        assert_eq!(begins, [7, 29, 28, 27, 26, 25, 24, 23, 22, 21]);
        let first = &worst[0];
        assert_eq!(first.sufferer, Some(("noisy".to_owned(), 120.0)));
        let stalled = first.stalled.map(|seconds| (seconds * 100.0).round() / 100.0);
        assert_eq!((stalled, first.decisions), (Some(121.35), 1));
    }

    #[test]
    fn a_minute_in_which_nothing_was_wrong_is_not_among_them() {
        let mut snapshot = fixture::snapshot(vec![fixture::vm("idle", 5)]);
        (snapshot.host.psi, snapshot.host.swap_in) =
            (Measured::absent("none"), Measured::absent("none"));
        let mut minutes = Minutes::default();
        let tick = Tick { at: WallNanos(5), seconds: 1.0, span: None };
        minutes.add(&snapshot, &tick, (0, 0));
        assert_eq!(minutes.worst(), []);
    }
}
