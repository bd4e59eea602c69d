//! Makes a scenario from a recorded host, so that policies can be tried on its guests. What samples
//! don't show is assumed: which part of allocated memory is hot, and how fast the swap is.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::host::Host;
use super::load::{Load, Needs, Step};
use super::outcome::Expectation;
use super::scenario::{
    BalloonKind, DeadSpec, HostSpec, LONGEST, Scenario, StatisticsKind, SwapSpec, VmSpec,
};
use super::size::{MIB, Size};
use crate::policy::PINNED_SHARE;
use crate::sample::{GuestStats, HostSample, Sample, VmId, VmSample};
use crate::units::{Bytes, Nanos};

/// Of what programs hold so much is hot, and of cached files so much is read again.
const HOT_PERCENT: u64 = 60;
const CACHED_PERCENT: u64 = 25;
/// Seconds between two looks, and the change of needs, as a part of a VM's memory, that counts.
const EVERY: u64 = 10;
const CHANGE: u64 = 50;
/// A guest with swap of its own, of its memory.
const OWN_SWAP: u64 = 4;
/// Differences that are none.
const SLACK: u64 = 64 * MIB;

/// Looks at one sample after the other.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    began: Option<Nanos>,
    last: u64,
    host: Option<HostSpec>,
    vms: BTreeMap<VmId, VmSpec>,
    steps: BTreeMap<VmId, Vec<Step>>,
}

impl Recorded {
    /// `false`: no later sample is of use, because a scenario is no longer than that, or the
    /// host's clock began anew.
    pub fn add(&mut self, sample: &Sample) -> bool {
        let began = *self.began.get_or_insert(sample.at);
        if sample.at < began {
            return false;
        }
        let second = sample.at.saturating_sub(began).0 / Nanos::SECOND.0;
        if second > LONGEST || (second > 0 && second < self.last) {
            return false;
        }
        if second > 0 && second < self.last + EVERY {
            return true;
        }
        self.last = second;
        if self.host.is_none() {
            self.host = host(&sample.host, &sample.vms);
        }
        for vm in &sample.vms {
            self.look_at(vm, second);
        }
        true
    }

    fn look_at(&mut self, vm: &VmSample, second: u64) {
        let Some(spec) = self.vms.get_mut(&vm.id) else {
            if let Some(spec) = spec(vm, second) {
                self.vms.insert(vm.id, spec);
                self.look_at(vm, second);
            }
            return;
        };
        if let Some(stats) = &vm.guest.stats {
            spec.statistics = StatisticsKind::Honest;
            if stats.swap_in.is_some_and(|swapped| swapped.0 > 0) {
                spec.own_swap = Size::mib(spec.memory.in_mib() / OWN_SWAP);
            }
        }
        let at = second.saturating_sub(spec.starts);
        follow(self.steps.entry(vm.id).or_default(), at, needs(vm), spec.memory);
    }

    /// # Errors
    /// When there was no host or no VM, or what was recorded can't be simulated.
    pub fn scenario(self, name: &str) -> Result<Scenario> {
        let host = self.host.context("no sample tells the host's memory")?;
        let mut steps = self.steps;
        let vm = self.vms.into_iter().map(|(id, vm)| {
            let steps = steps.remove(&id).unwrap_or_default();
            VmSpec { load: Load::Phases { steps, every: None }, ..vm }
        });
        let scenario = Scenario {
            name: name.to_owned(),
            about: format!(
                "Recorded on a host: {name}. Assumed: {HOT_PERCENT} % of what programs hold is hot, \
                 {CACHED_PERCENT} % of cached files are read again, and the swap's speed."
            ),
            seconds: self.last.clamp(1, LONGEST),
            host,
            vm: vm.collect(),
            event: Vec::new(),
            expect: Expectation::default(),
        };
        scenario.check().context("the recording makes no valid scenario")?;
        Host::new(&scenario)?;
        Ok(scenario)
    }
}

/// In whole MiB, as people write it.
fn size(bytes: u64) -> Size {
    Size::mib(bytes / MIB)
}

fn host(host: &HostSample, vms: &[VmSample]) -> Option<HostSpec> {
    let memory = host.meminfo.as_ref()?;
    let held: u64 = vms.iter().filter_map(|vm| vm.process.rss).map(|rss| rss.0).sum();
    let cache = memory.cached.0.saturating_sub(memory.shmem.map_or(0, |shmem| shmem.0));
    let devices = host.swaps.as_deref().unwrap_or_default();
    let zram = devices.iter().any(|device| device.path.starts_with("/dev/zram"));
    let (bandwidth, latency_us) = if zram { (1024, 10) } else { (100, 300) };
    Some(HostSpec {
        memory: size(memory.total.0),
        reserved: size(memory.total.0.saturating_sub(memory.free.0 + cache + held)),
        cache: size(cache),
        pool: false,
        swap: SwapSpec {
            size: size(memory.swap_total.0),
            bandwidth: Size::mib(bandwidth),
            latency_us,
            zram,
        },
    })
}

/// As it is when it is first seen.
fn spec(vm: &VmSample, second: u64) -> Option<VmSpec> {
    let memory = vm.guest.maximum.or(vm.allocated).or(vm.process.rss)?;
    let actual = vm.guest.actual.unwrap_or(memory);
    let stats = vm.guest.stats.unwrap_or_default();
    let part = |bytes: Option<Bytes>| bytes.map_or(0, |bytes| bytes.0);
    let (rss, swap) = (part(vm.process.rss), part(vm.process.swap));
    let used = stats.free.map(|free| actual.0.saturating_sub(free.0));
    let dead = used.map_or(0, |used| (rss + swap).saturating_sub(used));
    let locked = part(vm.process.locked) + part(vm.process.hugetlb);
    let starts = if second > EVERY { second } else { 0 };
    Some(VmSpec {
        name: vm.name.clone(),
        count: 1,
        stagger: 0,
        memory: size(memory.0),
        vcpus: vm.vcpus.unwrap_or(1).max(1),
        load: Load::Phases { steps: Vec::new(), every: None },
        balloon: match vm.guest.actual {
            Some(_) => BalloonKind::Working,
            None => BalloonKind::None,
        },
        statistics: StatisticsKind::None,
        deflate_on_oom: stats.total.is_some_and(|total| total.0 > actual.0 + SLACK),
        pinned: starts == 0 && (vm.vfio == Some(true) || locked > memory.0 / PINNED_SHARE),
        starts,
        ballooned: size(memory.saturating_sub(actual).0),
        dead: DeadSpec {
            resident: size(dead.min(rss)),
            swapped: size((dead - dead.min(rss)).min(swap)),
        },
        ..VmSpec::default()
    })
}

fn needs(vm: &VmSample) -> Needs {
    let rss = vm.process.rss.unwrap_or_default();
    let stats = vm.guest.stats.unwrap_or_default();
    let (held, cached) = match (vm.guest.actual.or(stats.total), stats) {
        (Some(actual), GuestStats { available: Some(available), disk_caches, .. }) => {
            let held = actual.saturating_sub(available).0;
            (held, disk_caches.map_or(0, |cached| cached.0.min(actual.0 - held)))
        }
        _ => (rss.0, 0),
    };
    let hot = held / 100 * HOT_PERCENT;
    let again = cached / 100 * CACHED_PERCENT;
    Needs {
        hot: size(hot),
        cold: size(held - hot),
        cache: size(again),
        read_once: size(cached - again),
        streams: Size::default(),
    }
}

/// Adds a point where needs changed, and one where they were still as before.
fn follow(steps: &mut Vec<Step>, at: u64, needs: Needs, memory: Size) {
    let Some(last) = steps.last().copied() else {
        steps.push(Step { at, needs });
        return;
    };
    let parts = |needs: Needs| [needs.hot, needs.cold, needs.cache, needs.read_once];
    let changed = parts(last.needs)
        .into_iter()
        .zip(parts(needs))
        .any(|(one, other)| one.0.0.abs_diff(other.0.0) > memory.0.0 / CHANGE);
    if changed {
        let before = at.saturating_sub(EVERY);
        if before > last.at {
            steps.push(Step { at: before, needs: last.needs });
        }
        steps.push(Step { at, needs });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{catalogue, peers, run, watch};

    /// What is recorded of a run without a policy.
    fn recorded(name: &str) -> (Scenario, Scenario) {
        let scenarios = catalogue::all().expect("they are scenarios");
        let scenario = scenarios.into_iter().find(|scenario| scenario.name == name);
        let scenario = scenario.expect("there is such a scenario");
        let mut nothing = peers::all().remove(0);
        let mut recorded = Recorded::default();
        watch(&scenario, nothing.as_mut(), |look| assert!(recorded.add(look.sample)))
            .expect("physics hold");
        (scenario, recorded.scenario(name).expect("it is one"))
    }

    fn hold(vm: &VmSpec, second: u64) -> u64 {
        let demand = vm.load.demand(second);
        (demand.hot + demand.cold) * 4096 / MIB
    }

    #[test]
    fn a_recorded_guest_needs_what_it_needed() {
        let (scenario, again) = recorded("leak");
        assert_eq!(again.host.memory, scenario.host.memory);
        assert_eq!((again.vm.len(), again.vm[0].memory), (4, scenario.vm[0].memory));
        for second in [100, 300, 500] {
            let (was, is) = (hold(&scenario.vm[0], second), hold(&again.vm[0], second));
            assert!(was.abs_diff(is) < 400, "{is} MiB at {second}, not {was}");
        }
        let text = again.to_toml().expect("it is written");
        assert_eq!(Scenario::parse("leak", &text).expect("it is one"), again);
    }

    #[test]
    fn a_recorded_host_is_short_where_it_was() {
        let (scenario, again) = recorded("leak");
        let stall = |scenario: &Scenario| {
            let mut nothing = peers::all().remove(0);
            run(scenario, nothing.as_mut()).expect("physics hold").swap_in_gib
        };
        assert!(stall(&scenario) > 0.0 && stall(&again) > 0.0);
        let (_, idle) = recorded("idle");
        assert!(stall(&idle) <= 0.0);
    }

    #[test]
    fn nothing_recorded_is_no_scenario() {
        assert!(Recorded::default().scenario("none").is_err());
    }
}
