//! The values of one snapshot that advice needs: known ones, and the reasons for unknown ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::signs::Signs;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::{HostView, VmView};
use memtrace_core::policy::rules::Rules;
use memtrace_core::sample::{GuestStats, SwapDevice, VmId, VmLabels};
use memtrace_core::signal::Quality;
use memtrace_core::units::{Bytes, Nanos, WallNanos};

/// Minimum distance of two samples that counts as a gap. Intervals are at most a minute, and a
/// restarted recorder is no gap.
const GAP: f64 = 900.0;

#[derive(Clone, Debug, Default)]
pub(super) struct Tick {
    pub(super) wall: WallNanos,
    /// How long it stands for; 0 after a gap.
    pub(super) seconds: f64,
    /// Of the day, 0 to 23, and the day since 1970, in the reader's zone.
    pub(super) hour: usize,
    pub(super) day: i64,
    pub(super) host: HostTick,
    pub(super) vms: Vec<VmTick>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct HostTick {
    pub(super) name: Option<String>,
    pub(super) installed: Option<Bytes>,
    pub(super) available: Option<Bytes>,
    pub(super) allocated: Option<Bytes>,
    /// A VM's size is missing.
    pub(super) allocated_part: bool,
    pub(super) swap_total: Option<Bytes>,
    pub(super) swap_used: Option<Bytes>,
    /// Bytes a second.
    pub(super) swap_in: Option<f64>,
    pub(super) swap_out: Option<f64>,
    pub(super) swaps: Vec<SwapDevice>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct VmTick {
    pub(super) key: Key,
    pub(super) name: String,
    /// What its platform and its operator call it.
    pub(super) labels: VmLabels,
    pub(super) allocated: Option<Bytes>,
    /// Size that its balloon leaves it.
    pub(super) actual: Option<Bytes>,
    pub(super) need: Need,
    /// Maximum demand since the previous tick, if known.
    pub(super) most: Option<Bytes>,
    /// The guest is in distress. `None`: unknown.
    pub(super) hurts: Option<bool>,
    /// Its memory on the host: resident, and in swap.
    pub(super) resident: Option<Bytes>,
    pub(super) swap: Option<Bytes>,
    pub(super) dead: Option<Bytes>,
}

/// A VM's identity over restarts: its UUID, or else its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Uuid(Uuid),
    Name(String),
}

impl Key {
    pub(super) const fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(uuid) => Some(*uuid),
            Self::Name(_) => None,
        }
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

/// A guest's demand: the size that it needs without headroom.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Need {
    /// Its size less available memory.
    Known(Bytes),
    /// Available memory is not reported: free memory was used, so caches count as demand.
    AtMost(Bytes),
    Unknown(String),
}

impl Default for Need {
    fn default() -> Self {
        Self::Unknown("no guest statistics".to_owned())
    }
}

impl Need {
    /// Size less available: the same whether a guest takes the balloon out of its total (Linux)
    /// or counts it as used (Windows), and with what its kernel keeps for itself.
    pub(super) fn of(size: Bytes, available: Option<Bytes>, free: Option<Bytes>) -> Self {
        let spare = available.map(|available| (available, true));
        let Some((spare, known)) = spare.or(free.map(|free| (free, false))) else {
            return Self::Unknown(
                "guest statistics have neither available nor free memory".to_owned(),
            );
        };
        if spare > size {
            return Self::Unknown("guest statistics are inconsistent".to_owned());
        }
        let need = size.saturating_sub(spare);
        if known { Self::Known(need) } else { Self::AtMost(need) }
    }

    pub(super) fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Known(bytes) | Self::AtMost(bytes) => Some(*bytes),
            Self::Unknown(_) => None,
        }
    }
}

/// Makes ticks; remembers the last answer of each guest, for rates.
pub(super) struct Ticks<'a> {
    rules: &'a Rules,
    zone: &'a TimeZone,
    guests: BTreeMap<VmId, Guest>,
    /// Time of the last tick, on the wall clock, because hours and days are counted.
    before: Option<WallNanos>,
}

#[derive(Clone, Copy, Debug)]
struct Guest {
    pid: u32,
    last: GuestStats,
    /// Major faults a second, and bytes from and to its swap, between its last two answers.
    faults: Option<f64>,
    swap: Option<f64>,
    killed: bool,
    actual: Option<Bytes>,
    /// When the size was last seen to change.
    moved: WallNanos,
}

impl<'a> Ticks<'a> {
    pub(super) const fn new(rules: &'a Rules, zone: &'a TimeZone) -> Self {
        Self { rules, zone, guests: BTreeMap::new(), before: None }
    }

    pub(super) fn tick(&mut self, snapshot: &Snapshot) -> Tick {
        let seconds = self.before.replace(snapshot.wall).filter(|_| snapshot.interval.is_some());
        let seconds = seconds.and_then(|before| snapshot.wall.0.checked_sub(before.0));
        let seconds = seconds.map_or(0.0, |nanos| Nanos(nanos).seconds());
        let (hour, day) = place(snapshot.wall, self.zone);
        let before = std::mem::take(&mut self.guests);
        let vms = snapshot.vms.iter().filter(|vm| !vm.is_of_selftest());
        let vms = vms.map(|vm| self.vm(vm, before.get(&vm.id), snapshot.wall));
        Tick {
            wall: snapshot.wall,
            seconds: if seconds > GAP { 0.0 } else { seconds },
            hour,
            day,
            host: host(&snapshot.host),
            vms: vms.collect(),
        }
    }

    fn vm(&mut self, vm: &VmView, before: Option<&Guest>, wall: WallNanos) -> VmTick {
        let actual = vm.balloon_actual.value;
        let fresh = matches!(vm.guest_stats.quality, Quality::Exact);
        let stats = vm.guest_stats.value.filter(|_| fresh);
        let guest = stats.map(|stats| Guest::next(before, vm, stats, wall));
        self.guests.extend(guest.or(before.copied()).map(|guest| (vm.id, guest)));
        let need = match (guest, vm.guest_stats.quality.reason()) {
            (Some(guest), _) => guest.need(),
            (None, Some(reason)) => Need::Unknown(reason.to_owned()),
            (None, None) => Need::default(),
        };
        let known = need.bytes().is_some();
        let resident =
            vm.rss.value.map(|rss| rss.saturating_add(vm.hugetlb.value.unwrap_or_default()));
        VmTick {
            key: vm.uuid.map_or_else(|| Key::Name(vm.name.clone()), Key::Uuid),
            name: vm.name.clone(),
            labels: vm.labels.clone(),
            allocated: vm.balloon_maximum.value,
            actual,
            hurts: guest
                .filter(|_| known)
                .and_then(|guest| guest.hurts(self.rules, vm.balloon_maximum.value)),
            need,
            most: None,
            resident,
            swap: vm.swap.value,
            dead: vm.dead.value.filter(|_| fresh),
        }
    }
}

impl Guest {
    fn next(before: Option<&Self>, vm: &VmView, now: GuestStats, wall: WallNanos) -> Self {
        let actual = vm.balloon_actual.value;
        let moved = match before {
            Some(before) if before.actual == actual => before.moved,
            Some(_) => wall,
            None => WallNanos(0),
        };
        let fresh =
            Self { pid: vm.pid, last: now, faults: None, swap: None, killed: false, actual, moved };
        let Some(before) = before.filter(|before| before.pid == vm.pid) else { return fresh };
        let since = before.last.updated.zip(now.updated);
        let Some(nanos) = since.and_then(|(old, new)| new.0.checked_sub(old.0)) else {
            return fresh;
        };
        if nanos == 0 {
            let Self { faults, swap, killed, .. } = *before;
            return Self { faults, swap, killed, ..fresh };
        }
        let seconds = nanos as f64 / 1e9;
        let rate =
            |old: Option<u64>, new: Option<u64>| Some(new?.checked_sub(old?)? as f64 / seconds);
        let bytes = |old: Option<Bytes>, new: Option<Bytes>| {
            rate(old.map(|bytes| bytes.0), new.map(|bytes| bytes.0))
        };
        let last = &before.last;
        let swap_in = bytes(last.swap_in, now.swap_in);
        Self {
            faults: rate(last.major_faults, now.major_faults),
            swap: swap_in.zip(bytes(last.swap_out, now.swap_out)).map(|(from, to)| from + to),
            killed: rate(last.oom_kills, now.oom_kills).is_some_and(|rate| rate > 0.0),
            ..fresh
        }
    }

    fn need(&self) -> Need {
        let Some(size) = self.actual.or(self.last.total) else {
            return Need::Unknown(
                "its size is unknown (neither balloon nor guest statistics)".to_owned(),
            );
        };
        if self.last.updated.is_some_and(|updated| updated <= self.moved) {
            return Need::Unknown("its size changed since the last guest statistics".to_owned());
        }
        Need::of(size, self.last.available, self.last.free)
    }

    fn hurts(&self, rules: &Rules, maximum: Option<Bytes>) -> Option<bool> {
        let signs = Signs {
            size: self.actual.or(self.last.total),
            maximum,
            available: self.last.available,
            free: self.last.free,
            faults: self.faults,
            swap: self.swap,
            killed: self.killed,
        };
        signs.hurt(rules)
    }
}

fn host(view: &HostView) -> HostTick {
    HostTick {
        name: view.hostname.clone(),
        installed: view.memory_total.value,
        available: view.memory_available.value,
        allocated: view.allocated.value,
        allocated_part: view.allocated.quality != Quality::Exact,
        swap_total: view.swap_total.value,
        swap_used: view.swap_used.value,
        swap_in: view.swap_in.value.map(|rate| rate.0),
        swap_out: view.swap_out.value.map(|rate| rate.0),
        swaps: view.swaps.clone(),
    }
}

/// Hour of the day, and the day since 1970.
pub(super) fn place(wall: WallNanos, zone: &TimeZone) -> (usize, i64) {
    let Ok(at) = Timestamp::from_nanosecond(i128::from(wall.0)) else { return (0, 0) };
    let seconds = at.as_second().saturating_add(i64::from(zone.to_offset(at).seconds()));
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    (usize::try_from(second / 3600).unwrap_or(0), day)
}

#[cfg(test)]
mod tests;
