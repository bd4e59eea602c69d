//! What a scenario means in the lab: the guests, the pool, and each guest's plan line by line.
//! Pure.

use anyhow::{Context as _, Result, ensure};
use memtrace_core::sim::scenario::{Scenario, VmSpec};
use memtrace_core::sim::{Needs, Size};
use memtrace_lab::local::plan::{Devices, GuestPlan, Layout, Work};

const MIB: u64 = 1 << 20;
/// Most guests and most MiB of them together that this machine is asked for.
const MOST_GUESTS: usize = 6;
const MOST_MIB: u64 = 10 * 1024;
/// What qemu itself may swap, beside its guest's memory.
const QEMU_MIB: u32 = 128;

/// What a guest has touched while it booted, and freed: measured, a part of what is dead.
pub(crate) const BOOT_MIB: u64 = 30;

pub(crate) fn mib(size: Size) -> u64 {
    size.0.0 / MIB
}

/// The lab for a scenario, and each guest's part in it.
///
/// # Errors
/// When it has what the lab can't run.
pub(crate) fn layout(scenario: &Scenario) -> Result<(Layout, Vec<VmSpec>)> {
    let specs: Vec<VmSpec> = scenario.vm.clone();
    let name = &scenario.name;
    ensure!(specs.len() <= MOST_GUESTS, "{name}: more than {MOST_GUESTS} guests");
    ensure!(specs.iter().all(|vm| vm.count == 1), "{name}: write each guest out (count)");
    let memory: u64 = specs.iter().map(|vm| mib(vm.memory)).sum();
    ensure!(memory <= MOST_MIB, "{name}: guests of more than {MOST_MIB} MiB");
    let mut guests = Vec::new();
    for (number, spec) in specs.iter().enumerate() {
        guests.push(guest(number, spec).with_context(|| format!("{name}: {}", spec.name))?);
    }
    let swap_mib = guests.iter().map(|guest| guest.memory_mib + QEMU_MIB).sum();
    let limit_mib = u32::try_from(mib(scenario.host.memory))?;
    // A lab's layout is static, and a process runs few of them.
    Ok((Layout { guests: Box::leak(guests.into_boxed_slice()), limit_mib, swap_mib }, specs))
}

fn guest(number: usize, spec: &VmSpec) -> Result<GuestPlan> {
    ensure!(spec.starts == 0 && spec.reboots.is_none(), "it starts or reboots later");
    ensure!(!spec.pinned && spec.migrates.is_none(), "it is pinned or migrates");
    ensure!(mib(spec.own_swap) == 0, "it has a swap of its own");
    let uuid = format!("6d656d74-7261-4365-8c65-6c{number:010}");
    Ok(GuestPlan {
        name: spec.name.clone().leak(),
        uuid: uuid.leak(),
        memory_mib: u32::try_from(mib(spec.memory))?,
        work: Work::Idle,
        devices: Devices {
            files: true,
            deflate_on_oom: spec.deflate_on_oom,
            free_page_reporting: spec.free_page_reporting,
        },
    })
}

/// Bytes a second that each guest may read from swap: its part of the device, which in the
/// simulator writes as much at the same time.
pub(crate) fn swap_speed(scenario: &Scenario) -> u64 {
    let guests = u64::try_from(scenario.vm.len()).unwrap_or(u64::MAX).max(1);
    scenario.host.swap.bandwidth.0.0 / 2 / guests
}

/// The commands that describe a guest's load to it.
pub(crate) fn commands(spec: &VmSpec, seconds: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last: Option<Needs> = None;
    for second in 0..=seconds {
        let needs = spec.load.needs(second);
        if last == Some(needs) {
            continue;
        }
        last = Some(needs);
        let Needs { hot, cold, cache, read_once, streams } = needs;
        let [hot, cold, cache, read_once, streams] =
            [hot, cold, cache, read_once, streams].map(mib);
        lines.push(format!("plan point {second} {hot} {cold} {cache} {read_once} {streams}"));
    }
    lines.push(format!("plan memory {}", mib(spec.memory)));
    lines.push(format!("plan dead {}", mib(spec.dead.resident).saturating_sub(BOOT_MIB)));
    if spec.asks_first {
        lines.push("plan asks".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURNS: &str = r#"
        about = "two in turn"
        seconds = 100
        [host]
        memory = "2 GiB"
        reserved = "0 MiB"
        cache = "0 MiB"
        swap = { size = "4 GiB", bandwidth = "32 MiB", latency_us = 250 }
        [[vm]]
        name = "a"
        memory = "1 GiB"
        vcpus = 1
        asks_first = true
        load = { kind = "bursty", quiet = { hot = "100 MiB" }, busy = { hot = "900 MiB", cache = "5 MiB" }, first = 10, every = 50, lasts = 20 }
        [[vm]]
        name = "b"
        memory = "1 GiB"
        load = { kind = "steady", needs = { cold = "10 MiB" } }
        dead = { resident = "700 MiB" }
    "#;

    #[test]
    fn a_scenario_becomes_a_pool_with_guests() {
        let scenario = Scenario::parse("turns", TURNS).unwrap();
        let (layout, specs) = layout(&scenario).unwrap();
        let names: Vec<&str> = layout.guests.iter().map(|guest| guest.name).collect();
        assert_eq!((names, specs.len(), layout.limit_mib), (vec!["a", "b"], 2, 2048));
        assert_eq!(swap_speed(&scenario), 8 << 20);
        let uuid = layout.guests[1].uuid;
        assert_eq!((uuid, uuid.len()), ("6d656d74-7261-4365-8c65-6c0000000001", 36));
    }

    #[test]
    fn a_guest_is_told_what_changes() {
        let scenario = Scenario::parse("turns", TURNS).unwrap();
        let expected = [
            "plan point 0 100 0 0 0 0",
            "plan point 10 900 0 5 0 0",
            "plan point 30 100 0 0 0 0",
            "plan memory 1024",
            "plan dead 0",
            "plan asks",
        ];
        assert_eq!(commands(&scenario.vm[0], 40), expected);
        let other = commands(&scenario.vm[1], 40);
        assert_eq!(other, ["plan point 0 0 10 0 0 0", "plan memory 1024", "plan dead 670"]);
    }

    #[test]
    fn what_the_lab_cannot_run_is_refused() {
        for (from, to, why) in [
            ("vcpus = 1", "starts = 5", "starts"),
            ("vcpus = 1", "own_swap = \"1 GiB\"", "swap of its own"),
            ("vcpus = 1", "count = 2", "count"),
            ("memory = \"1 GiB\"\n        vcpus", "memory = \"90 GiB\"\n        vcpus", "MiB"),
        ] {
            let scenario = Scenario::parse("turns", &TURNS.replace(from, to)).unwrap();
            let error = layout(&scenario).expect_err(to);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}
