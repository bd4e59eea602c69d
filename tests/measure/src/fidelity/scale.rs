//! A drawn host made small enough for the lab: a few of its VMs, in a pool of the same
//! overcommitment, in a tenth of the time. What the lab's guests haven't (a swap of their own,
//! Windows, faults, reboots) is left out. Pure.

use memtrace_core::sim::scenario::{
    BalloonKind, DeadSpec, HostSpec, Scenario, StatisticsKind, SwapSpec, System, VmSpec,
};
use memtrace_core::sim::{Expectation, Load, Needs, Size};
use memtrace_core::units::Bytes;

use crate::live::plan::{BOOT_MIB, mib};

/// The pool.
const POOL: u64 = 2560;
/// Most guests: each has a virtual CPU, which this machine emulates.
const GUESTS: usize = 4;
/// Smallest and largest guest, and the step of sizes.
const LEAST: u64 = 384;
const MOST: u64 = 1536;
const STEP: u64 = 64;
/// What a guest's kernel needs, whose part in a large guest is small: 92 of 1152 MiB, 87 of 1024.
const KERNEL: u64 = 100;
/// Memory of qemu for a guest that can't be reclaimed for long: heap, code, and translation buffer.
/// Measured as a guest's size on the host beyond what is used within it.
const QEMU: u64 = 70;
/// Of a guest's memory, per cent that its load may use at its peak, and with all that it read or
/// freed before.
const PEAK: u64 = 75;
const FULL: u64 = 85;
/// So many seconds become one.
const FASTER: u64 = 10;
/// Seconds of a run: twelve hosts under three rules take about an hour.
const LONGEST: u64 = 90;
/// Most MiB of files read once in a second.
const STREAMS: u64 = 8;
/// Speeds of swap for each guest, in MiB a second, by the drawn device's: a disk, a flash drive
/// on a slow bus, one on a fast bus (and zram, and none).
const SPEEDS: [(u64, u64); 3] = [(16, 4), (350, 16), (u64::MAX, 64)];

/// Of one read from the lab's own disk, read-ahead included: measured, as waits by pages read,
/// where no guest was at its limit.
const LATENCY_US: u64 = 80;

/// The lab's version of a drawn host.
pub(super) fn scaled(drawn: &Scenario) -> Scenario {
    let copies = drawn.vm.iter().flat_map(|vm| (0..vm.count).map(move |_| vm));
    let all: Vec<&VmSpec> = copies.filter(|vm| !vm.pinned).collect();
    let chosen: Vec<&VmSpec> = (0..GUESTS.min(all.len()))
        .filter_map(|number| all.get(number * all.len() / GUESTS.min(all.len())).copied())
        .collect();
    let committed: u64 = drawn.vm.iter().map(|vm| mib(vm.memory) * u64::from(vm.count)).sum();
    let wanted = POOL * committed / mib(drawn.host.memory).max(1);
    let drawn_size: u64 = chosen.iter().map(|vm| mib(vm.memory)).sum();
    let size = |vm: &VmSpec| {
        let part = wanted * mib(vm.memory) / drawn_size.max(1);
        (part / STEP * STEP).clamp(LEAST, MOST)
    };
    let vm: Vec<VmSpec> =
        chosen.iter().enumerate().map(|(number, vm)| guest(number, vm, size(vm))).collect();
    let memory: u64 = vm.iter().map(|vm| mib(vm.memory)).sum();
    Scenario {
        name: drawn.name.clone(),
        about: format!("{} Scaled for the lab.", drawn.about),
        seconds: (drawn.seconds / FASTER).min(LONGEST),
        host: HostSpec {
            // Where sizes were bounded, the pool keeps the overcommitment.
            memory: size_of(memory * mib(drawn.host.memory) / committed.max(1)),
            reserved: size_of(QEMU * vm.len() as u64),
            cache: size_of(0),
            pool: true,
            swap: swap(&drawn.host.swap, vm.len() as u64, memory),
        },
        vm,
        event: Vec::new(),
        expect: Expectation::default(),
    }
}

const fn size_of(mib: u64) -> Size {
    Size(Bytes(mib << 20))
}

fn swap(drawn: &SwapSpec, guests: u64, memory: u64) -> SwapSpec {
    let drawn_speed =
        if drawn.zram || mib(drawn.size) == 0 { u64::MAX } else { mib(drawn.bandwidth) };
    let speed =
        SPEEDS.iter().find(|(most, _)| drawn_speed <= *most).map_or(64, |(_, speed)| *speed);
    SwapSpec {
        size: size_of(memory + guests * 128),
        bandwidth: size_of(2 * speed * guests),
        latency_us: LATENCY_US,
        zram: false,
    }
}

fn guest(number: usize, drawn: &VmSpec, memory: u64) -> VmSpec {
    let shrink = Shrink { from: mib(drawn.memory).max(1), to: memory };
    let mut load = shrink.load(&drawn.load);
    let peak =
        |load: &Load| (0..=120).map(|second| allocated(&load.needs(second))).max().unwrap_or(0);
    // A guest by itself has enough.
    let most = memory * PEAK / 100;
    let highest = peak(&load);
    if highest > most {
        load = Shrink { from: highest, to: most }.same_time(&load);
    }
    let room = (memory * FULL / 100).saturating_sub(peak(&load));
    let once = mib(shrink.size(read_once(&drawn.load))).min(room / 2);
    load = with_read_once(load, once);
    let dead = mib(shrink.size(drawn.dead.resident)) + mib(shrink.size(drawn.dead.swapped));
    VmSpec {
        name: format!("{}-{number}", drawn.name.split('-').next().unwrap_or("vm")),
        count: 1,
        stagger: 0,
        memory: size_of(memory),
        vcpus: 1,
        load,
        balloon: BalloonKind::Working,
        statistics: StatisticsKind::Honest,
        system: System::Linux,
        deflate_on_oom: drawn.deflate_on_oom,
        free_page_reporting: drawn.free_page_reporting,
        asks_first: drawn.asks_first,
        dead: DeadSpec {
            resident: size_of(BOOT_MIB + dead.min(room.saturating_sub(once + BOOT_MIB))),
            swapped: size_of(0),
        },
        ..VmSpec::default()
    }
}

fn allocated(needs: &Needs) -> u64 {
    mib(needs.hot) + mib(needs.cold) + mib(needs.cache)
}

fn read_once(load: &Load) -> Size {
    load.needs(0).read_once
}

/// Sizes in a smaller guest.
#[derive(Clone, Copy)]
struct Shrink {
    from: u64,
    to: u64,
}

impl Shrink {
    fn size(self, size: Size) -> Size {
        size_of(mib(size) * self.to / self.from)
    }

    fn needs(self, needs: &Needs) -> Needs {
        Needs {
            hot: size_of(mib(self.size(needs.hot)).max(KERNEL)),
            cold: self.size(needs.cold),
            cache: self.size(needs.cache),
            read_once: size_of(0),
            streams: size_of(mib(needs.streams).min(STREAMS)),
        }
    }

    fn load(self, load: &Load) -> Load {
        self.at(load, FASTER)
    }

    fn same_time(self, load: &Load) -> Load {
        self.at(load, 1)
    }

    fn at(self, load: &Load, faster: u64) -> Load {
        let time = |seconds: &u64| seconds / faster;
        // Shorter ones are not told from seconds.
        let span = |seconds: &u64| (seconds / faster).max(3);
        match load {
            Load::Steady { needs } | Load::Booting { needs, .. } => {
                Load::Steady { needs: self.needs(needs) }
            }
            Load::Bursty { quiet, busy, first, every, lasts } => Load::Bursty {
                quiet: self.needs(quiet),
                busy: self.needs(busy),
                first: time(first),
                every: span(every).max(2 * span(lasts)),
                lasts: span(lasts),
            },
            Load::Growing { from, per_second, until } => Load::Growing {
                from: self.needs(from),
                // In KiB, as it may be less than a MiB.
                per_second: Size(Bytes(
                    per_second.0.0 / 1024 * self.to * faster / self.from * 1024,
                )),
                until: size_of(mib(self.size(*until)).max(1)),
            },
            Load::Phases { steps, every } => {
                let mut steps = steps.clone();
                let mut next = 0;
                for step in &mut steps {
                    step.at = time(&step.at).max(next);
                    next = step.at + 1;
                    step.needs = self.needs(&step.needs);
                }
                let every = every.as_ref().map(|every| time(every).max(next));
                Load::Phases { steps, every }
            }
        }
    }
}

fn with_read_once(load: Load, once: u64) -> Load {
    let with = |needs: Needs| Needs { read_once: size_of(once), ..needs };
    match load {
        Load::Steady { needs } => Load::Steady { needs: with(needs) },
        Load::Bursty { quiet, busy, first, every, lasts } => {
            Load::Bursty { quiet: with(quiet), busy: with(busy), first, every, lasts }
        }
        Load::Growing { from, per_second, until } => {
            Load::Growing { from: with(from), per_second, until }
        }
        Load::Phases { mut steps, every } => {
            steps.iter_mut().for_each(|step| step.needs = with(step.needs));
            Load::Phases { steps, every }
        }
        Load::Booting { .. } => load,
    }
}

#[cfg(test)]
mod tests {
    use memtrace_core::sim::population;

    use super::*;
    use crate::live::plan;

    #[test]
    fn a_scaled_host_fits_the_lab_and_is_a_scenario() {
        for seed in 0..60 {
            let drawn = population::draw(seed);
            let scaled = scaled(&drawn);
            let text = scaled.to_toml().expect("it is written");
            let read = Scenario::parse(&scaled.name, &text).expect("it is read");
            assert_eq!(read, scaled, "seed {seed}");
            let (layout, _) = plan::layout(&scaled).expect("the lab runs it");
            assert!(layout.limit_mib > 256 && layout.limit_mib < 6000, "seed {seed}");
            for vm in &scaled.vm {
                let peak = (0..=120).map(|second| allocated(&vm.load.needs(second))).max();
                let memory = mib(vm.memory);
                assert!(
                    peak.unwrap_or(0) <= memory * 80 / 100 + KERNEL,
                    "seed {seed}, {}",
                    vm.name
                );
            }
        }
    }

    #[test]
    fn overcommitment_is_kept() {
        for seed in 0..60 {
            let drawn = population::draw(seed);
            let ratio = |scenario: &Scenario| {
                let all: u64 =
                    scenario.vm.iter().map(|vm| mib(vm.memory) * u64::from(vm.count)).sum();
                all as f64 / mib(scenario.host.memory) as f64
            };
            let (before, after) = (ratio(&drawn), ratio(&scaled(&drawn)));
            assert!((before / after - 1.0).abs() < 0.02, "seed {seed}: {before} {after}");
        }
    }

    #[test]
    fn time_passes_ten_times_as_fast() {
        let needs = |hot| Needs { hot: size_of(hot), ..Needs::default() };
        let burst =
            Load::Bursty { quiet: needs(100), busy: needs(800), first: 100, every: 200, lasts: 50 };
        let half = Shrink { from: 2000, to: 1000 }.load(&burst);
        let expected =
            Load::Bursty { quiet: needs(KERNEL), busy: needs(400), first: 10, every: 20, lasts: 5 };
        assert_eq!(half, expected);
    }
}
