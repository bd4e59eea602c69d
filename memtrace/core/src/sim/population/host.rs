//! A seed's host. Sizes are MiB.

use super::distributions as from;
use super::guests::{Guests, House};
use super::random::Random;
use crate::sim::host::Host;
use crate::sim::memory::PageKind;
use crate::sim::outcome::Expectation;
use crate::sim::scenario::{Event, HostSpec, Scenario, SwapSpec};
use crate::sim::size::Size;

/// The host of a seed.
pub fn draw(seed: u64) -> Scenario {
    let mut last = Scenario::default();
    for eased in from::EASED_PERCENT {
        last = drawn(seed, eased);
        if Host::new(&last).is_ok_and(|host| works(&host)) {
            break;
        }
    }
    last
}

/// Whether nothing is in swap at the beginning that is used all the time.
fn works(host: &Host) -> bool {
    let used = [PageKind::Hot, PageKind::CacheHot];
    host.vms.iter().all(|vm| used.iter().all(|kind| vm.guest.memory[*kind].swapped == 0))
}

/// The same draws whatever `eased` is.
fn drawn(seed: u64, eased: u64) -> Scenario {
    let mut random = Random::new(seed);
    let memory = *random.pick(&from::HOST_GIB) * 1024;
    let host = host(&mut random, memory);
    let overcommit = random.within(&from::OVERCOMMIT_PERCENT);
    let sizes = sizes(&mut random, memory * overcommit / 100);
    let house = House {
        memory,
        day: random.within(&from::DAY),
        use_percent: random.within(&from::USE_PERCENT),
        eased,
        faulty: if random.chance(from::COOPERATIVE_PERCENT) {
            0
        } else {
            random.within(&from::FAULTY_PERCENT)
        },
    };
    let away = random.chance(from::AWAY_PERCENT) && house.faulty > 0;
    let (at, lasts) = (random.within(&from::TROUBLE_AT), random.within(&from::TROUBLE_LASTS));
    let mut guests = Guests::draw(&mut random, &house, &sizes);
    if random.chance(from::STORM_PERCENT) {
        guests.storm(&mut random);
    }
    let Guests { vms, mut events, .. } = guests;
    if away {
        events.push(Event::HypervisorAway { at, lasts });
    }
    Scenario {
        name: format!("host-{seed}"),
        about: format!(
            "Drawn from seed {seed}: {} GiB, {} VMs, {overcommit} % committed.",
            memory / 1024,
            vms.len()
        ),
        seconds: from::SECONDS,
        host,
        vm: vms,
        event: events,
        expect: Expectation::default(),
    }
}

fn host(random: &mut Random, memory: u64) -> HostSpec {
    let swap = random.pick(&from::SWAPS).clone();
    let reserved = memory * random.within(&from::RESERVED_PERCENT) / 100;
    HostSpec {
        memory: Size::mib(memory),
        reserved: Size::mib(reserved + random.within(&from::RESERVED_MIB)),
        cache: Size::mib(memory * random.within(&from::HOST_CACHE_PERCENT) / 100),
        pool: false,
        swap: SwapSpec {
            size: Size::mib(memory * random.within(&swap.percent) / 100),
            bandwidth: Size::mib(random.within(&swap.mib_per_second)),
            latency_us: random.within(&swap.latency_us),
            zram: swap.zram,
        },
    }
}

/// Sizes of VMs that make `all` together, but for half a step of each.
fn sizes(random: &mut Random, all: u64) -> Vec<u64> {
    let range = random.pick(&from::VMS).clone();
    let most = (all / from::LEAST_VM_MIB).max(2);
    let least = all.div_ceil(from::MOST_VM_MIB);
    let count = random.within(&range).max(least).min(most);
    let parts: Vec<u64> = (0..count).map(|_| *random.pick(&from::SIZES)).collect();
    let sum: u64 = parts.iter().sum();
    let step = from::SIZE_STEP_MIB;
    parts.iter().map(|part| ((all * part / sum + step / 2) / step).max(2) * step).collect()
}
