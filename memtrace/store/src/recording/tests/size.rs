//! What a day costs, in bytes, with samples that vary as much as those of real hosts or more.
//!
//! A VM under pressure takes several times as much here as a VM of the lab: its wait times are
//! spread evenly, and its counters are independent of each other. By Shannon that alone is some
//! 600 bits a second, of which 350 are the histograms' (31 waits in 60 buckets), so that five of
//! them would take at least 33 MB a day.

use super::*;
use memtrace_core::units::{Bytes, WallNanos};

const VMS: u64 = 100;
const SECONDS: u64 = 101;
const PAGE: u64 = 4096;

/// Bytes of a day of 100 VMs at 1 Hz: `busy` of them fault, and `pressed` of those are under
/// pressure; the others idle or work within their memory.
fn day(busy: u64, pressed: u64) -> u64 {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("day.mtrec");
    let mut writer = Writer::create(&path).expect("it can be made");
    let mut host = Host::new(busy, pressed);
    let mut whole = 0;
    for second in 1..=SECONDS {
        writer.push(Record { sample: host.second(second), reaction: None }).expect("it is written");
        whole = if second == 11 { writer.length() } else { whole };
    }
    // Frames of ninety seconds; a keyframe every ten minutes.
    (writer.length() - whole) * 960 + whole * 144
}

#[test]
fn a_hundred_vms_cost_at_most_60_mb_a_day() {
    let all = [day(0, 0), day(15, 1), day(20, 5)];
    println!("a day takes {all:?} bytes");
    let [quiet, usual, pressed] = all;
    assert!((1_000_000..20_000_000).contains(&quiet), "{quiet}");
    assert!((quiet..33_000_000).contains(&usual), "{usual}");
    assert!((usual..=60_000_000).contains(&pressed), "{pressed}");
}

struct Host {
    sample: Sample,
    chance: Chance,
    busy: u64,
    pressed: u64,
}

impl Host {
    fn new(busy: u64, pressed: u64) -> Self {
        let mut chance = Chance(1);
        let mut vms: Vec<VmSample> =
            (1..=VMS).map(|n| samples::vm(&format!("guest-{n}"), 1000 + n as u32)).collect();
        for vm in &mut vms {
            let uuid = uuid::Uuid::from_u64_pair(chance.below(u64::MAX), chance.below(u64::MAX));
            (vm.id, vm.uuid, vm.threads) =
                (memtrace_core::sample::VmId::Uuid(uuid), Some(uuid), None);
            vm.start = chance.below(1 << 24);
            vm.process.rss = Some(Bytes(chance.below(1 << 20) * PAGE));
            vm.process.cpu_time = Some(Nanos(chance.below(1 << 20) * 10_000_000));
            vm.process.minor_faults = Some(chance.below(1 << 24));
        }
        Self { sample: samples::sample(0, vms), chance, busy, pressed }
    }

    fn second(&mut self, second: u64) -> Sample {
        let chance = &mut self.chance;
        self.sample.at.0 += 1_000_000_000 + chance.below(100_000);
        self.sample.wall.0 += 1_000_000_000 + chance.below(100_000);
        let wall = self.sample.wall;
        for (number, vm) in (0..).zip(&mut self.sample.vms) {
            let faults = age(vm, number, (second, wall), number < self.busy, chance);
            if number < self.pressed {
                press(vm, second, faults, chance);
            }
        }
        if let Some(meminfo) = &mut self.sample.host.meminfo {
            for field in [&mut meminfo.free, &mut meminfo.available, &mut meminfo.cached] {
                field.0 = field.0.wrapping_add(chance.below(1000) * PAGE).wrapping_sub(500 * PAGE);
            }
        }
        if let Some(vmstat) = &mut self.sample.host.vmstat {
            for field in [&mut vmstat.pgfault, &mut vmstat.pswpin, &mut vmstat.pswpout] {
                *field = field.map(|field| field + chance.below(5000));
            }
        }
        if let Some(psi) = &mut self.sample.host.psi {
            psi.some.avg10 = chance.below(500) as f64 / 100.0;
            psi.some.total_us += chance.below(50_000);
        }
        self.sample.clone()
    }
}

/// A second of a VM's life; how many pages it touched first.
fn age(
    vm: &mut VmSample,
    number: u64,
    (second, wall): (u64, WallNanos),
    busy: bool,
    chance: &mut Chance,
) -> u64 {
    let ticks = if busy { 20 + chance.below(60) } else { chance.below(4) };
    vm.process.cpu_time = vm.process.cpu_time.map(|time| Nanos(time.0 + ticks * 10_000_000));
    if (second + number).is_multiple_of(5)
        && let Some(stats) = &mut vm.guest.stats
    {
        stats.updated = Some(WallNanos(wall.0 / 1_000_000_000 * 1_000_000_000));
        for field in [&mut stats.free, &mut stats.available] {
            *field = field.map(|field| Bytes(field.0 + chance.below(200) * PAGE));
        }
        stats.minor_faults = stats.minor_faults.map(|faults| faults + chance.below(3000));
    }
    let faults = if busy { 50 + chance.below(400) } else { chance.below(40).saturating_sub(36) };
    if faults > 0 {
        fault(vm, faults, chance);
    }
    faults
}

fn fault(vm: &mut VmSample, faults: u64, chance: &mut Chance) {
    if let Some(counters) = &mut vm.counters {
        counters.guest_faults += faults;
        counters.user_faults += chance.below(3);
    }
    vm.process.minor_faults = vm.process.minor_faults.map(|before| before + faults);
    for field in [&mut vm.process.rss, &mut vm.process.rss_anon] {
        *field = field.map(|field| Bytes(field.0 + faults * PAGE));
    }
    if let Some(cgroup) = &mut vm.cgroup {
        cgroup.usage = cgroup.usage.map(|usage| Bytes(usage.0 + faults / 32 * 32 * PAGE));
        cgroup.stat.anon = cgroup.stat.anon.map(|anon| Bytes(anon.0 + faults * PAGE));
        cgroup.stat.pgfault = cgroup.stat.pgfault.map(|before| before + faults + chance.below(9));
    }
}

fn press(vm: &mut VmSample, second: u64, faults: u64, chance: &mut Chance) {
    if let Some(counters) = &mut vm.counters {
        for field in [
            &mut counters.major_faults,
            &mut counters.swap_in_pages,
            &mut counters.swap_out_pages,
            &mut counters.async_faults,
            &mut counters.async_faults_done,
            &mut counters.memcg_reclaims,
            &mut counters.reclaimed_pages,
            &mut counters.reclaim_write_pages,
            &mut counters.swap_in_waits,
        ] {
            *field += chance.below(faults);
        }
        for field in [&mut counters.async_fault_ns, &mut counters.memcg_reclaim_ns] {
            *field += chance.below(900_000_000);
        }
    }
    if let Some(histograms) = &mut vm.histograms {
        for histogram in
            [&mut histograms.reclaim, &mut histograms.async_fault, &mut histograms.swap_in]
        {
            for _ in 0..faults / 8 {
                histogram[100 + chance.below(60) as usize] += 1;
            }
        }
    }
    if let Some(cgroup) = &mut vm.cgroup {
        for field in [
            &mut cgroup.stat.pgmajfault,
            &mut cgroup.stat.pswpin,
            &mut cgroup.stat.pswpout,
            &mut cgroup.stat.pgscan,
            &mut cgroup.stat.pgsteal,
            &mut cgroup.stat.workingset_refault_anon,
            &mut cgroup.limit_hits,
        ] {
            *field = field.map(|field| field + chance.below(faults));
        }
        if let Some(psi) = &mut cgroup.psi {
            for line in std::iter::once(&mut psi.some).chain(&mut psi.full) {
                // PSI_FREQ (kernel/sched/psi.c) is two seconds; the longer, the slower.
                if second.is_multiple_of(2) {
                    line.avg10 = chance.below(6000) as f64 / 100.0;
                    line.avg60 = (3000 + chance.below(500)) as f64 / 100.0;
                    line.avg300 = (3000 + chance.below(100)) as f64 / 100.0;
                }
                line.total_us += chance.below(500_000);
            }
        }
    }
    vm.process.swap = Some(Bytes(chance.below(100_000) * PAGE));
}
