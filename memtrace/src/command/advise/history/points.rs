//! Joins the answers about a stretch to ticks. Pure.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::query::{OF_HOST, OfVm};
use crate::command::advise::signs::Signs;
use crate::command::advise::tick::{HostTick, Key, Need, Tick, VmTick, place};
use crate::prometheus::Stretch;
use crate::prometheus::reply::{Labels, Line};
use memtrace_core::model::STALE_AFTER;
use memtrace_core::policy::rules::Rules;
use memtrace_core::sample::{SwapDevice, VmLabels};
use memtrace_core::units::{Bytes, Nanos, WallNanos};

/// Most VMs of a stretch.
pub(super) const MOST_VMS: usize = 2000;
/// Most bytes of anything that is believed: a float has no whole numbers beyond.
const MOST_BYTES: f64 = 9_007_199_254_740_992.0;

/// Name and id.
type Who = (String, String);
/// The values at the points of a stretch.
type Values = Vec<Option<f64>>;

/// The answers about a stretch.
pub(super) struct Answers {
    stretch: Stretch,
    host: BTreeMap<&'static str, Values>,
    devices: Vec<SwapDevice>,
    vms: BTreeMap<Who, BTreeMap<OfVm, Values>>,
    /// There were more VMs.
    pub(super) too_many: bool,
}

impl Answers {
    pub(super) fn new(stretch: Stretch) -> Self {
        let (host, vms) = (BTreeMap::new(), BTreeMap::new());
        Self { stretch, host, devices: Vec::new(), vms, too_many: false }
    }

    pub(super) fn host(&mut self, lines: Vec<Line>) {
        for Line { labels, points } in lines {
            let name = labels.get("__name__").map(String::as_str).unwrap_or_default();
            let Some(name) = OF_HOST.iter().find(|known| **known == name) else { continue };
            if let Some(path) = labels.get("path") {
                self.device(path, &points);
            } else {
                let values = self.values(&points);
                self.host.insert(name, values);
            }
        }
    }

    fn device(&mut self, path: &str, points: &[(f64, f64)]) {
        let size = points.last().and_then(|(_, size)| bytes(Some(*size)));
        self.devices.push(SwapDevice {
            path: path.to_owned(),
            kind: String::new(),
            size: size.unwrap_or_default(),
            used: Bytes(0),
            priority: 0,
        });
    }

    pub(super) fn vms(&mut self, what: OfVm, lines: Vec<Line>) {
        for Line { labels, points } in lines {
            let Some(who) = who(&labels) else { continue };
            if self.vms.len() >= MOST_VMS && !self.vms.contains_key(&who) {
                self.too_many = true;
                continue;
            }
            let values = self.values(&points);
            self.vms.entry(who).or_default().insert(what, values);
        }
    }

    /// At each point of the stretch; what lies between two is nothing.
    fn values(&self, points: &[(f64, f64)]) -> Values {
        let Stretch { from, to, step } = self.stretch;
        let mut values = vec![None; ((to - from) / step + 1) as usize];
        for (at, value) in points {
            let place = (at - from as f64) / step as f64;
            let value_there = values.get_mut(place.max(0.0) as usize);
            if let Some(there) = value_there.filter(|_| place.fract() == 0.0 && place >= 0.0) {
                *there = Some(*value);
            }
        }
        values
    }
}

fn who(labels: &Labels) -> Option<Who> {
    Some((labels.get("name")?.clone(), labels.get("id")?.clone()))
}

/// Joins stretch after stretch.
pub(super) struct History<'a> {
    rules: &'a Rules,
    zone: &'a TimeZone,
    hostname: Option<String>,
    /// What VMs are called, by identity.
    pub(super) labels: BTreeMap<String, VmLabels>,
    /// The count at the last point with the VM, and the time of that point.
    counted: BTreeMap<Who, (u64, Counted)>,
}

/// The guest's own counters.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    faults: Option<f64>,
    swap_in: Option<f64>,
    swap_out: Option<f64>,
    killed: Option<f64>,
}

impl<'a> History<'a> {
    pub(super) const fn new(
        rules: &'a Rules,
        zone: &'a TimeZone,
        hostname: Option<String>,
    ) -> Self {
        Self { rules, zone, hostname, labels: BTreeMap::new(), counted: BTreeMap::new() }
    }

    /// The ticks of a stretch with host metrics.
    pub(super) fn ticks(&mut self, answers: &Answers) -> Vec<Tick> {
        let Stretch { from, to, step } = answers.stretch;
        let points = (0_usize..).zip((from..=to).step_by(step.max(1) as usize));
        points.filter_map(|(index, at)| self.tick(answers, index, at)).collect()
    }

    fn tick(&mut self, answers: &Answers, index: usize, at: u64) -> Option<Tick> {
        let of = |name: &str| answers.host.get(name)?.get(index).copied().flatten();
        of("memtrace_host_memory_bytes")?;
        let vms = answers.vms.iter();
        let vms: Vec<VmTick> =
            vms.filter_map(|(who, values)| self.vm(who, values, index, (at, answers))).collect();
        let wall = WallNanos(at.saturating_mul(Nanos::SECOND.0));
        let (hour, day) = place(wall, self.zone);
        let amount = |name: &str| bytes(of(name));
        let allocated = amount("memtrace_host_allocated_bytes");
        let known = vms.iter().filter_map(|vm| vm.allocated);
        let known = known.fold(Bytes(0), Bytes::saturating_add);
        let host = HostTick {
            name: self.hostname.clone(),
            installed: amount("memtrace_host_memory_bytes"),
            available: amount("memtrace_host_memory_available_bytes"),
            allocated,
            // What a VM without a balloon was started with is in the sum alone.
            allocated_part: allocated <= Some(known) && vms.iter().any(|vm| vm.allocated.is_none()),
            swap_total: amount("memtrace_host_swap_bytes"),
            swap_used: amount("memtrace_host_swap_used_bytes"),
            swap_in: of("memtrace_host_swap_in_bytes_per_second"),
            swap_out: of("memtrace_host_swap_out_bytes_per_second"),
            swaps: answers.devices.clone(),
        };
        Some(Tick { wall, seconds: answers.stretch.step as f64, hour, day, host, vms })
    }

    /// `None`: it wasn't there.
    fn vm(
        &mut self,
        who: &Who,
        values: &BTreeMap<OfVm, Values>,
        index: usize,
        (at, answers): (u64, &Answers),
    ) -> Option<VmTick> {
        let of = |what: OfVm| values.get(&what)?.get(index).copied().flatten();
        let amount = |what: OfVm| bytes(of(what));
        let resident = amount(OfVm::Resident);
        let actual = amount(OfVm::Actual);
        resident.or(actual).or(amount(OfVm::Maximum))?;
        let size = actual.or(amount(OfVm::Total));
        let fresh = of(OfVm::Age).is_some_and(|age| age <= STALE_AFTER.seconds());
        let need = need(size, &of);
        let known = need.bytes();
        let most = amount(OfVm::Most).filter(|most| size.is_none_or(|size| *most <= size));
        let counted = Counted {
            faults: of(OfVm::MajorFaults),
            swap_in: of(OfVm::SwapIn),
            swap_out: of(OfVm::SwapOut),
            killed: of(OfVm::OomKills),
        };
        let before = self.counted.insert(who.clone(), (at, counted));
        let since = before.filter(|(then, _)| at.saturating_sub(*then) == answers.stretch.step);
        // At its worst since the point before.
        let worst = most.zip(size).map(|(most, size)| size.saturating_sub(most));
        let signs = Signs {
            size,
            maximum: amount(OfVm::Maximum),
            available: worst.or(amount(OfVm::Available)),
            free: amount(OfVm::Free),
            ..rates(since.map(|(_, before)| before), &counted, answers.stretch.step)
        };
        let key = Uuid::parse_str(&who.1).map_or_else(|_| Key::Name(who.0.clone()), Key::Uuid);
        Some(VmTick {
            key,
            name: who.0.clone(),
            labels: self.labels.get(&who.1).cloned().unwrap_or_default(),
            allocated: amount(OfVm::Maximum),
            actual,
            hurts: known.and_then(|_| signs.hurt(self.rules)),
            most: most.filter(|_| matches!(need, Need::Known(_))),
            need,
            resident: resident
                .map(|resident| resident.saturating_add(amount(OfVm::Hugetlb).unwrap_or_default())),
            swap: amount(OfVm::Swap),
            dead: amount(OfVm::Dead).filter(|_| fresh),
        })
    }
}

/// The guest's demand at this point.
fn need(size: Option<Bytes>, of: &impl Fn(OfVm) -> Option<f64>) -> Need {
    let unknown = |why: &str| Need::Unknown(why.to_owned());
    let (available, free) = (bytes(of(OfVm::Available)), bytes(of(OfVm::Free)));
    if available.is_none() && free.is_none() {
        return unknown("no guest statistics in Prometheus");
    }
    match of(OfVm::Age) {
        None => return unknown("age of guest statistics unknown"),
        Some(age) if age > STALE_AFTER.seconds() => return unknown("guest statistics were stale"),
        Some(_) => {}
    }
    if of(OfVm::Moved).is_some_and(|times| times > 0.0) {
        return unknown("its size changed shortly before");
    }
    match size {
        Some(size) => Need::of(size, available, free),
        None => unknown("its size is unknown (neither balloon nor guest statistics)"),
    }
}

/// A counter that fell was reset: the increase is unknown.
fn rates(before: Option<Counted>, now: &Counted, step: u64) -> Signs {
    let Some(before) = before else { return Signs::default() };
    let grown =
        |before: Option<f64>, now: Option<f64>| Some(now? - before?).filter(|grown| *grown >= 0.0);
    let seconds = step.max(1) as f64;
    let (from, to) = (grown(before.swap_in, now.swap_in), grown(before.swap_out, now.swap_out));
    Signs {
        faults: grown(before.faults, now.faults).map(|faults| faults / seconds),
        swap: from.zip(to).map(|(from, to)| (from + to) / seconds),
        killed: grown(before.killed, now.killed).is_some_and(|kills| kills > 0.0),
        ..Signs::default()
    }
}

/// An amount of memory.
fn bytes(value: Option<f64>) -> Option<Bytes> {
    value.filter(|value| (0.0..MOST_BYTES).contains(value)).map(|value| Bytes(value as u64))
}
