//! Hosts that are drawn: always the same, within their bounds, of all kinds.

use std::collections::BTreeMap;

use super::*;
use crate::sim::host::Host;
use crate::sim::outcome::RunOutcome;
use crate::sim::scenario::Scenario;
use crate::sim::size::{GIB, MIB};
use summary::Run;

/// Some seeds of the working range.
const SEEDS: Range<u64> = 0..300;

#[test]
fn the_ranges_do_not_meet() {
    const { assert!(WORKING.end <= REPORTING.start) };
    assert_eq!(WORKING.end - WORKING.start, REPORTING.end - REPORTING.start);
}

#[test]
fn a_seed_is_the_same_host_on_every_machine() {
    insta::assert_snapshot!(draw(7).to_toml().expect("it is written"));
}

#[test]
fn what_is_drawn_can_be_written_and_read() {
    for seed in SEEDS.step_by(10) {
        let scenario = draw(seed);
        let text = scenario.to_toml().expect("it is written");
        assert_eq!(Scenario::parse(&scenario.name, &text).expect("it is one"), scenario, "{seed}");
    }
}

#[test]
fn hosts_are_within_their_bounds_and_begin() {
    for seed in SEEDS {
        let scenario = draw(seed);
        let host = Host::new(&scenario);
        assert!(host.is_ok(), "seed {seed}: {}", host.expect_err("it fails"));
        let memory = scenario.host.memory.0.0;
        assert!((8 * GIB..=1024 * GIB).contains(&memory), "{seed}");
        assert!((2..=200).contains(&scenario.vm.len()), "{seed}");
        let all: u64 = scenario.vm.iter().map(|vm| vm.memory.0.0).sum();
        let rounded = 256 * MIB * scenario.vm.len() as u64;
        let bounds = memory - rounded..=memory / 2 * 5 + rounded;
        assert!(bounds.contains(&all), "seed {seed}: {all} of {memory}");
    }
}

#[test]
fn all_classes_are_drawn() {
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    for seed in SEEDS {
        *classes.entry(Class::of(&draw(seed))).or_default() += 1;
    }
    assert_eq!(classes.len(), 6, "{classes:?}");
    assert!(classes.values().all(|hosts| *hosts >= 15), "{classes:?}");
}

#[test]
fn some_hosts_start_many_vms_at_once() {
    let late = |seed| draw(seed).vm.iter().filter(|vm| vm.starts > 0).count();
    assert!(SEEDS.filter(|seed| late(*seed) >= 5).count() >= 3);
}

fn host(seed: u64, fit: Fit, stalls: [(&str, f64); 3]) -> HostResult {
    let runs = stalls.map(|(policy, stall_seconds)| Run {
        policy: policy.to_owned(),
        outcome: RunOutcome { stall_seconds, ..RunOutcome::default() },
    });
    let class = Class { fit, cooperative: true };
    HostResult { seed, class, memory_gib: 8.0, vms: 2, needs_percent: 50, runs: runs.to_vec() }
}

#[test]
fn a_summary_compares_each_host_with_doing_nothing_and_with_the_clairvoyant() {
    let stalls =
        |nothing, rule, bound| [("nothing", nothing), ("rule", rule), ("clairvoyant", bound)];
    let hosts = [
        host(1, Fit::Easily, stalls(10.0, 5.0, 1.0)),
        host(2, Fit::Easily, stalls(0.0, 0.9, 0.0)),
        host(3, Fit::Not, stalls(10.0, 30.0, 5.0)),
    ];
    let summary = Summary::of(&hosts);
    let [easily, not, all] = &summary.sections[..] else { panic!("{summary:?}") };
    assert_eq!((easily.hosts, not.hosts, all.hosts), (2, 1, 3));
    let rule = &all.policies[1];
    assert_eq!(rule.regret_seconds, Some([4.0, 4.0, 25.0]));
    assert!((rule.worse_percent.expect("nothing ran") - 100.0 / 3.0).abs() < 1e-9);
    assert_eq!(rule.worst_factor, Some(3.0));
    // Less than a second more is a tie.
    assert!((rule.best_percent.expect("others ran") - 200.0 / 3.0).abs() < 1e-9);
    assert_eq!(
        (easily.policies[1].worst_factor, easily.policies[1].best_percent),
        (None, Some(100.0))
    );
    assert_eq!(summary.worst.len(), 1);
    let text = summary.to_string();
    assert!(text.starts_with("fits easily, all guests cooperate: 2 hosts\n"), "{text}");
    assert!(text.ends_with("  rule         seed 3: 30.0 s, not 10.0 s\n"), "{text}");
}

#[test]
fn a_host_on_which_a_vm_was_saved_is_worse_but_not_harmed() {
    let stalls = [("nothing", 10.0), ("rule", 30.0), ("clairvoyant", 5.0)];
    let mut saved = host(1, Fit::Not, stalls);
    saved.runs[0].outcome.kills = 2;
    saved.runs[1].outcome.kills = 1;
    let summary = Summary::of(&[saved.clone(), host(2, Fit::Not, stalls)]);
    let rule = &summary.sections[0].policies[1];
    assert_eq!((rule.worse_percent, rule.harmed_percent), (Some(100.0), Some(50.0)));
    let text = summary.to_string();
    assert!(text.contains("seed 1: 30.0 s, not 10.0 s; saves 1 VM\n"), "{text}");
    assert!(text.contains("seed 2: 30.0 s, not 10.0 s\n"), "{text}");
    // As many are killed by it.
    saved.runs[1].outcome.kills = 2;
    assert_eq!(saved.is_harmed("rule"), Some(true));
}

#[test]
fn what_did_not_run_is_not_compared_with() {
    let rule = Run { policy: "rule".into(), outcome: RunOutcome::default() };
    let alone = HostResult { runs: vec![rule], ..host(1, Fit::Barely, [("", 0.0); 3]) };
    let summary = Summary::of(&[alone]);
    let line = &summary.sections[0].policies[0];
    assert_eq!((line.regret_seconds, line.worse_percent, line.worst_factor), (None, None, None));
    assert_eq!(line.best_percent, None);
    assert!(!summary.to_string().contains("doing nothing"), "{summary}");
}

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/population.md"));

/// A table of the page: what, and how often in per cent.
fn table<T, const N: usize>(title: &str, of: &[(u64, T); N], name: fn(&T) -> String) -> String {
    let all: u64 = of.iter().map(|(weight, _)| weight).sum();
    let rows =
        of.iter().map(|(weight, value)| format!("| {} | {} |\n", name(value), weight * 100 / all));
    format!("| {title} | % |\n|---|--:|\n{}", rows.collect::<String>())
}

fn between(range: &std::ops::RangeInclusive<u64>) -> String {
    format!("{} to {}", range.start(), range.end())
}

#[test]
fn the_page_tells_what_is_drawn() {
    let tables = [
        table("host, GiB", &distributions::HOST_GIB, u64::to_string),
        table("VMs", &distributions::VMS, between),
        table("swap: MiB/s of single pages, latency in us", &distributions::SWAPS, |swap| {
            let kind = if swap.zram { "zram, " } else { "" };
            let (speed, latency) = (between(&swap.mib_per_second), between(&swap.latency_us));
            match swap.percent.end() {
                0 => "none".to_owned(),
                _ => format!("{kind}{speed}, {latency}"),
            }
        }),
        table("VM", &distributions::ROLES, |role| format!("{role:?}").to_lowercase()),
    ];
    let missing: Vec<String> =
        tables.into_iter().filter(|table| !PAGE.contains(table.as_str())).collect();
    assert!(missing.is_empty(), "docs/population.md lacks:\n{}", missing.join("\n"));
}
