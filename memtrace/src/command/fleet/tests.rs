//! Fleets that are made up: joined, sorted, shown.

mod http;
mod placement;

use super::host::{Answers, Fleet, Host};
use super::query::OF_HOST;
use super::{table, write};
use crate::command::fleet::placement::{Fit, places};
use crate::prometheus::reply::{self, Answer};
use memtrace_core::policy::Level;
use memtrace_core::policy::reason::Coming;
use memtrace_core::units::Bytes;

const GIB: f64 = (1_u64 << 30) as f64;
/// 2026-11-22 21:31:05 UTC.
const NOW: f64 = 1_795_383_065.0;

/// A host of 64 GiB, half of it available, calm, of which everything is known.
fn told(name: &str) -> Vec<(String, f64)> {
    let of = |metric: &str, labels: &str, value: f64| {
        let text = format!(
            r#"{{"__name__":"memtrace_{metric}","instance":"{name}:9435","job":"memtrace"{labels}}}"#
        );
        (text, value)
    };
    let mut all = vec![
        of("sample_timestamp_seconds", "", NOW - 1.0),
        of("vms", "", 3.0),
        of("host_info", &format!(r#","hostname":"{name}","kernel":"6.12""#), 1.0),
        of("host_memory_bytes", "", 64.0 * GIB),
        of("host_memory_available_bytes", "", 32.0 * GIB),
        of("host_swap_bytes", "", 8.0 * GIB),
        of("host_swap_used_bytes", "", GIB),
        of("host_swap_in_bytes_per_second", "", 0.0),
        of("host_allocated_bytes", "", 40.0 * GIB),
        of("host_overcommit_ratio", "", 0.625),
        of("host_reclaimable_bytes", "", 8.0 * GIB),
        of("enforcing", "", 1.0),
    ];
    for state in ["calm", "soft", "hard", "low"] {
        let holds = f64::from(u8::from(state == "calm"));
        all.push(of("host_state", &format!(r#","state":"{state}""#), holds));
    }
    all
}

/// The same with other values, by name and label; those that are no number are left out.
fn but(name: &str, changes: &[(&str, f64)]) -> Vec<(String, f64)> {
    let mut all = told(name);
    for (what, value) in changes {
        let changed = all.iter_mut().filter(|(labels, _)| labels.contains(what));
        assert!(changed.map(|(_, old)| *old = *value).count() > 0, "{what}");
    }
    all
}

fn body(series: &[(String, f64)]) -> String {
    let mut result = Vec::new();
    for (labels, value) in series {
        result.push(format!(r#"{{"metric":{labels},"value":[{NOW},"{value}"]}}"#));
    }
    let result = result.join(",");
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#)
}

fn answer(series: &[(String, f64)]) -> Answer {
    reply::read(body(series).as_bytes()).expect("it is an answer")
}

fn answers(hosts: &[Vec<(String, f64)>]) -> Answers {
    Answers {
        hosts: answer(&hosts.concat()),
        seen: Ok(Answer::default()),
        up: Ok(Answer::default()),
        sufferers: Ok(Answer::default()),
    }
}

fn fleet(hosts: &[Vec<(String, f64)>]) -> Vec<Host> {
    let mut fleet = Fleet::of(answers(hosts));
    table::sort(&mut fleet.hosts);
    fleet.hosts
}

fn stalls(host: &str, vm: &str, ratio: f64) -> (String, f64) {
    let text = format!(r#"{{"instance":"{host}:9435","job":"memtrace","name":"{vm}","id":"7@9"}}"#);
    (text, ratio)
}

fn of_target(host: &str, value: f64) -> (String, f64) {
    (format!(r#"{{"instance":"{host}:9435","job":"memtrace"}}"#), value)
}

#[test]
fn every_metric_that_is_asked_for_is_read() {
    let whole = &fleet(&[told("a")])[0];
    assert_eq!((whole.name.as_str(), whole.state), ("a", Some(Level::Calm)));
    assert_eq!(whole.unknown, None);
    for name in OF_HOST.iter().filter(|name| **name != "memtrace_host_forecast_seconds") {
        let key = format!("\"{name}\"");
        let mut without = told("a");
        without.retain(|(labels, _)| !labels.contains(&key));
        assert_ne!(&fleet(&[without])[0], whole, "{name}");
    }
}

#[test]
fn a_host_whose_numbers_are_old_or_gone_is_unknown_and_has_none() {
    let old = but("old", &[("sample_timestamp", NOW - 300.0)]);
    let timeless = but("timeless", &[("sample_timestamp", f64::NAN)]);
    let gone = ["down", "bare", "removed", "fine"].map(|name| of_target(name, NOW - 720.0));
    // What one was called is remembered as well.
    let called = told("down").into_iter().filter(|(labels, _)| labels.contains("hostname"));
    let seen: Vec<_> = gone.into_iter().chain(called).collect();
    let answers = Answers {
        seen: Ok(answer(&seen)),
        up: Ok(answer(&[of_target("down", 0.0), of_target("bare", 1.0)])),
        ..answers(&[old, timeless, told("fine")])
    };
    let mut fleet = Fleet::of(answers);
    fleet.hosts.sort_by(|one, other| one.name.cmp(&other.name));
    let why = |host: &Host| (host.name.clone(), host.unknown.clone().unwrap_or_default());
    let all: Vec<(String, String)> = fleet.hosts.iter().map(why).collect();
    let expected = [
        ("bare:9435", "no memtrace metrics in its scrapes any more; last data 12m ago"),
        ("down", "its scrapes fail; last data 12m ago"),
        ("fine", ""),
        ("old", "its newest sample is 5m old"),
        ("removed:9435", "it is no longer scraped; last data 12m ago"),
        ("timeless", "no sample timestamp"),
    ];
    assert_eq!(all, expected.map(|(name, why)| (name.to_owned(), why.to_owned())));
    for host in fleet.hosts.iter().filter(|host| host.unknown.is_some()) {
        assert_eq!((host.memory_bytes, host.available_bytes, &host.state), (None, None, &None));
    }
}

#[test]
fn only_the_unanswered_query_is_missing() {
    let answers = Answers { sufferers: Err("it took too long".into()), ..answers(&[told("a")]) };
    let fleet = Fleet::of(answers);
    assert_eq!(fleet.notices, ["unknown: stalled VMs: it took too long"]);
    assert_eq!((fleet.hosts.len(), &fleet.hosts[0].sufferers), (1, &None));
}

#[test]
fn sufferers_are_listed_worst_first_and_none_differs_from_unknown() {
    let all = [stalls("a", "web", 0.1), stalls("a", "db", 0.5), stalls("b", "idle", 0.0)];
    let answers =
        Answers { sufferers: Ok(answer(&all)), ..answers(&[told("a"), told("b"), told("c")]) };
    let mut hosts = Fleet::of(answers).hosts;
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    let names = |host: &Host| {
        let all = host.sufferers.as_ref();
        all.map(|all| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>())
    };
    let expected = [Some(vec!["db".to_owned(), "web".to_owned()]), Some(vec![]), None];
    assert_eq!([&hosts[0], &hosts[1], &hosts[2]].map(names), expected);
}

#[test]
fn a_host_that_swaps_soon_comes_before_others_of_its_state_and_one_far_ahead_does_not() {
    let swaps = |name: &str, seconds: f64| {
        let mut all = told(name);
        let (labels, _) = all[0].clone();
        let labels = labels.replace("sample_timestamp_seconds", "host_forecast_seconds");
        all.push((labels.replace('}', r#","what":"swap"}"#), seconds));
        all
    };
    let hosts = fleet(&[told("a"), swaps("b", 1200.0), swaps("c", 90.0)]);
    let order: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(order, ["c", "a", "b"]);
    assert_eq!(hosts[2].forecast_seconds[&Coming::Swap], 1200.0);
}

#[test]
fn hosts_of_one_name_are_distinguished() {
    let mut other = told("b");
    other.iter_mut().for_each(|(labels, _)| {
        *labels = labels.replace(r#""hostname":"b""#, r#""hostname":"a""#);
    });
    let names: Vec<String> = fleet(&[told("a"), other]).into_iter().map(|h| h.name).collect();
    assert_eq!(names, ["a (a:9435)", "a (b:9435)"]);
}

#[test]
fn the_table_lines_up_and_says_who_needs_a_look() {
    let mut low = but("kvm-2", &[("\"state\":\"calm\"", 0.0), ("\"state\":\"low\"", 1.0)]);
    low.extend(but("kvm-3", &[("sample_timestamp", NOW - 600.0)]));
    let mut answers = answers(&[told("kvm-1"), low]);
    let evil = stalls("kvm-2", "db\\u001b[2J", 0.62);
    answers.sufferers = Ok(answer(&[evil, stalls("kvm-1", "web", 0.0)]));
    let mut fleet = Fleet::of(answers);
    table::sort(&mut fleet.hosts);
    let page = table::page(&fleet, "http://p:9090");
    insta::assert_snapshot!(write::plain(&page, None, false));
    let cut = write::plain(&page, Some(60), true);
    assert!(cut.lines().any(|line| line.contains("\u{1b}[31m")), "{cut}");
    let places = places(&fleet.hosts, Bytes(16 << 30));
    insta::assert_snapshot!(write::plain(
        &table::fitting(&fleet, &places, Bytes(16 << 30)),
        None,
        false
    ));
    let json = write::json(&fleet, Some((Bytes(16 << 30), &places)));
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["hosts"][0]["name"], "kvm-2");
    assert_eq!(json["hosts"][1]["memory_bytes"], serde_json::Value::Null, "unknown is not zero");
    assert_eq!(json["fit"]["places"][0]["fits"], "now");
    assert_eq!(json["at"], "2026-11-22T21:31:05Z");
}

#[test]
fn a_thousand_hosts_are_joined_and_ranked() {
    let hosts: Vec<_> = (0..1000)
        .map(|n| but(&format!("kvm-{n:04}"), &[("memory_available", f64::from(n) * GIB / 20.0)]))
        .collect();
    let sufferers: Vec<_> = (0..3000)
        .map(|n| stalls(&format!("kvm-{:04}", n / 3), &format!("vm-{n}"), f64::from(n % 3) / 10.0))
        .collect();
    let answers = Answers { sufferers: Ok(answer(&sufferers)), ..answers(&hosts) };
    let mut fleet = Fleet::of(answers);
    table::sort(&mut fleet.hosts);
    assert_eq!((fleet.hosts.len(), fleet.hosts[0].name.as_str()), (1000, "kvm-0000"));
    assert!(fleet.hosts.iter().all(|host| host.sufferers.as_ref().is_some_and(|s| s.len() == 2)));
    let places = places(&fleet.hosts, Bytes(16 << 30));
    assert!(places[0].cautions.len() == 1, "{:?}", places[0]);
    assert_eq!((places[0].host.as_str(), places[0].fits), ("kvm-0999", Fit::Now));
    assert_eq!(places[999].host, "kvm-0000");
}
