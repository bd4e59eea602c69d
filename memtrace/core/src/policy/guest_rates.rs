//! Rates reported by guests: major faults and swap traffic. Guests answer every two seconds,
//! independent of samples, so a rate is the difference of two answers and stays valid until the
//! next one. Doesn't judge what the numbers mean.

use std::collections::BTreeMap;

use crate::sample::{GuestStats, Sample, VmId, VmSample};
use crate::units::{ByteRate, Bytes, Rate};

/// The last answers of each guest, and the rates between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GuestRates {
    vms: BTreeMap<VmId, Answers>,
}

/// What the guest said of itself between its last two answers. `None`: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct GuestRate {
    pub major_faults: Option<Rate>,
    pub swap_in: Option<ByteRate>,
    pub swap_out: Option<ByteRate>,
    /// Its OOM killer struck.
    pub killed: bool,
    /// A counter ran backwards with the last answer, which is new in this sample.
    pub rebooted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Answers {
    /// Process and start: another process is another guest, whose counters begin anew.
    process: (u32, u64),
    last: GuestStats,
    rate: GuestRate,
}

impl GuestRates {
    /// Takes in what the guests said up to this sample; VMs that aren't in it are forgotten.
    pub fn update(&mut self, sample: &Sample) {
        let before = std::mem::take(&mut self.vms);
        for vm in &sample.vms {
            if let Some(stats) = vm.guest.stats {
                let answers = Answers::next(before.get(&vm.id), vm, stats);
                self.vms.insert(vm.id, answers);
            } else if let Some(kept) = before.get(&vm.id) {
                // A single missing answer doesn't reset the counters.
                self.vms.insert(vm.id, Answers { rate: GuestRate::default(), ..*kept });
            }
        }
    }

    /// The rates of one VM; nothing is known before its second answer.
    pub fn of(&self, vm: VmId) -> GuestRate {
        self.vms.get(&vm).map_or_else(GuestRate::default, |answers| answers.rate)
    }
}

impl Answers {
    fn next(before: Option<&Self>, vm: &VmSample, stats: GuestStats) -> Self {
        let process = (vm.pid, vm.start);
        let unknown = Self { process, last: stats, rate: GuestRate::default() };
        let Some(before) = before.filter(|before| before.process == process) else {
            return unknown;
        };
        match seconds_between(&before.last, &stats) {
            Some(seconds) if seconds > 0.0 => {
                Self { rate: GuestRate::between(&before.last, &stats, seconds), ..unknown }
            }
            Some(_) => Self { rate: GuestRate { rebooted: false, ..before.rate }, ..unknown },
            None => unknown,
        }
    }
}

/// `None`: a time is not known, or ran backwards.
fn seconds_between(before: &GuestStats, now: &GuestStats) -> Option<f64> {
    let nanos = now.updated?.0.checked_sub(before.updated?.0)?;
    Some(nanos as f64 / 1e9)
}

/// All of them count from the guest's boot.
fn has_rebooted(before: &GuestStats, now: &GuestStats) -> bool {
    let counters = |stats: &GuestStats| {
        let swapped = [stats.swap_in, stats.swap_out].map(|bytes| bytes.map(|bytes| bytes.0));
        let [swap_in, swap_out] = swapped;
        [swap_in, swap_out, stats.major_faults, stats.minor_faults, stats.oom_kills]
    };
    let mut pairs = counters(before).into_iter().zip(counters(now));
    pairs.any(|(before, now)| before.zip(now).is_some_and(|(before, now)| now < before))
}

impl GuestRate {
    /// A counter that ran backwards (the guest rebooted) gives no rate.
    fn between(before: &GuestStats, now: &GuestStats, seconds: f64) -> Self {
        let rate = |before: Option<u64>, now: Option<u64>| {
            Some(now?.checked_sub(before?)? as f64 / seconds)
        };
        let bytes = |field: fn(&GuestStats) -> Option<Bytes>| {
            rate(field(before).map(|bytes| bytes.0), field(now).map(|bytes| bytes.0)).map(ByteRate)
        };
        Self {
            major_faults: rate(before.major_faults, now.major_faults).map(Rate),
            swap_in: bytes(|stats| stats.swap_in),
            swap_out: bytes(|stats| stats.swap_out),
            killed: rate(before.oom_kills, now.oom_kills).is_some_and(|rate| rate > 0.0),
            rebooted: has_rebooted(before, now),
        }
    }
}
