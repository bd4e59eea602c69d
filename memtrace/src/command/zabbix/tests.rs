//! Keys, the agent's template and its parameters against the table of metrics; and values of a
//! running memtrace.

mod http;

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Parser;
use regex::Regex;

use super::key::{Key, discovery};
use super::*;
use crate::command::{Arguments, Command};
use memtrace_core::fixture;
use memtrace_core::units::{Bytes, WallNanos};
use memtrace_view::export::metrics::catalogue::all;
use memtrace_view::export::metrics::parse::samples;
use memtrace_view::export::metrics::table::MetricKind;
use memtrace_view::export::metrics::{Form, Scene, text};

const TEMPLATE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/zabbix/memtrace.yaml"));
const PARAMETERS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/zabbix/memtrace.conf"));

fn demo() -> String {
    let snapshot = fixture::demo();
    let now = WallNanos(snapshot.wall.0 + 1_500_000_000);
    let scene = Scene::new(snapshot, fixture::observed(), Bytes(4096), now);
    text(scene, Form::Classic).expect("it is written")
}

fn value(key: &str, vm: Option<&str>) -> Result<String, String> {
    let samples: Vec<Sample> = samples(&demo()).collect();
    Key::parse(key)?.value(&samples, vm)
}

fn good(key: &str, vm: Option<&str>) -> String {
    value(key, vm).unwrap_or_else(|why| panic!("{key}: {why}"))
}

#[test]
fn values_are_those_of_the_metrics() {
    assert_eq!(good("host_state", None), "soft");
    assert_eq!(good("host_state:soft", None), "1");
    assert_eq!(good("memtrace_host_reclaimable_bytes", None), "671088640");
    assert_eq!(good("host_info:hostname", None), "kvm-7");
    assert_eq!(good("signal_quality:swap_in", None), "exact");
    assert_eq!(good("vm_swap_in_bytes_total", Some("noisy")), "1258291200");
    assert_eq!(good("vm_reclaim_wait_seconds:count", Some("noisy")), "7380");
    assert_eq!(good("vm_reclaim_wait_seconds:sum", Some("noisy")), "8.6262");
    assert_eq!(good("vm_state", Some("idle")), "running");
    let uuid = fixture::demo().vms[1].id.to_string();
    assert_eq!(good("vm_info:vmm", Some(&uuid)), "qemu-system-x86");
}

#[test]
fn a_vm_is_given_as_its_platform_calls_it() {
    let mut snapshot = fixture::snapshot(vec![fixture::vm("i-2a", 1), fixture::vm("i-2b", 2)]);
    for (vm, (id, project)) in snapshot.vms.iter_mut().zip([("7", "shop"), ("8", "test")]) {
        vm.labels.id = Some(id.to_owned());
        (vm.labels.name, vm.labels.project) = (Some("web".to_owned()), Some(project.to_owned()));
    }
    let scene = Scene::new(Arc::new(snapshot), fixture::observed(), Bytes(4096), WallNanos(0));
    let all: Vec<Sample> = samples(&text(scene, Form::Classic).expect("it is written")).collect();
    let swap = Key::parse("vm_swap_bytes").expect("it is a key");
    for typed in ["7", "8", "shop/web", "test/web", "i-2a"] {
        assert_eq!(swap.value(&all, Some(typed)).as_deref(), Ok("0"), "{typed}");
    }
    let ambiguous = swap.value(&all, Some("web")).expect_err("both are called so");
    assert!(ambiguous.contains("(shop/web)") && ambiguous.contains("(test/web)"), "{ambiguous}");
    let rows: serde_json::Value = serde_json::from_str(&discovery(&all)).expect("it is JSON");
    assert_eq!(rows[0]["{#VM.TITLE}"], "shop/web");
}

#[test]
fn an_invalid_or_unknown_item_has_a_reason() {
    let cases = [
        ("nonsense", None, "unknown metric nonsense"),
        ("vm_swap_bytes", None, "requires a VM"),
        ("vm_swap_bytes", Some("web"), "no VM \"web\"; VMs: "),
        ("vms", Some("noisy"), "takes no VM"),
        ("vm_faults_total", Some("noisy"), "requires labels kind"),
        ("host_forecast_seconds", None, "requires labels what"),
        ("vms:1", None, "has 0 labels"),
        ("vm_reclaim_wait_seconds", Some("noisy"), ":count or"),
        ("host_info", None, ":LABEL, of hostname, kernel"),
        ("vm_cgroup_high_bytes", Some("noisy"), "unknown on this host"),
        ("host_state:nonsense", None, "unknown on this host"),
    ];
    for (key, vm, text) in cases {
        let why = value(key, vm).expect_err(key);
        assert!(why.contains(text), "{key}: {why}");
    }
}

#[test]
fn every_metric_of_the_table_has_a_key() {
    for metric in all() {
        let name = metric.full_name();
        let key = match (metric.kind, metric.labels) {
            (MetricKind::Histogram, _) => format!("{name}:sum"),
            (MetricKind::Info, labels) => format!("{name}:{}", labels[0]),
            (_, labels) => [&name]
                .into_iter()
                .map(String::as_str)
                .chain(labels.iter().map(|_| "x"))
                .collect::<Vec<_>>()
                .join(":"),
        };
        let parsed = Key::parse(&key).unwrap_or_else(|why| panic!("{key}: {why}"));
        assert_eq!(parsed.is_of_vm(), metric.is_of_vm(), "{key}");
    }
}

#[test]
fn vms_are_discovered_as_macros_whatever_they_are_called() {
    let mut snapshot = fixture::snapshot(vec![fixture::vm("a\"b\u{1b}", 1), fixture::vm("b", 2)]);
    snapshot.vms[1].id = memtrace_core::sample::VmId::Process { pid: 7, start: 9 };
    let scene = Scene::new(Arc::new(snapshot), fixture::observed(), Bytes(4096), WallNanos(0));
    let all: Vec<Sample> = samples(&text(scene, Form::Classic).expect("it is written")).collect();
    let rows: serde_json::Value = serde_json::from_str(&discovery(&all)).expect("it is JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    assert_eq!(rows[0]["{#VM.NAME}"], "a\"b\u{fffd}");
    assert_eq!(rows[1]["{#VM.ID}"], "7:9", "agents refuse @");
    assert_eq!(rows[1]["{#VM.VMM}"], "qemu-system-x86");
    let size = Key::parse("vm_swap_bytes").expect("it is a key");
    assert_eq!(size.value(&all, Some("7:9")).as_deref(), Ok("0"));
    assert_eq!(discovery(&[]), "[]\n", "no VM is no failure");
}

/// An item of the template: its key, and what follows it.
fn items() -> Vec<(String, String)> {
    let begin = Regex::new(r"(?m)^ +- uuid: [0-9a-f]+\n +name: .*\n +key: '(.*)'$").expect("it is");
    let begins: Vec<_> = begin.captures_iter(TEMPLATE).collect();
    let ends = begins.iter().skip(1).filter_map(|next| next.get(0).map(|all| all.start()));
    let ends: Vec<usize> = ends.chain([TEMPLATE.len()]).collect();
    let item = |(begin, end): (&regex::Captures<'_>, &usize)| {
        let from = begin.get(0).expect("all of it").end();
        (begin[1].to_owned(), TEMPLATE[from..*end].to_owned())
    };
    begins.iter().zip(&ends).map(item).collect()
}

#[test]
fn the_templates_items_are_keys_of_their_types() {
    let items = items();
    assert!(items.len() > 20, "{}", items.len());
    for (item, rest) in &items {
        let host = item.strip_prefix("memtrace.host[").map(|rest| (None, rest));
        let vm = item.strip_prefix("memtrace.vm[{#VM.ID},").map(|rest| (Some("victim"), rest));
        let (vm, key) = host.or(vm).unwrap_or_else(|| panic!("what is {item}?"));
        let typed = key.strip_suffix(']').expect("it is closed");
        let key = Key::parse(typed).unwrap_or_else(|why| panic!("{item}: {why}"));
        let value = good(typed, vm);
        assert_eq!(key.is_text(), rest.contains("value_type: CHAR"), "{item}");
        assert_eq!(key.is_text(), rest.contains("trends: '0'"), "{item}");
        assert_eq!(key.is_counter(), rest.contains("CHANGE_PER_SECOND"), "{item}");
        // A reason is text, and else it would be a state.
        let refuses = rest.contains("- type: CHECK_REGEX_ERROR\n");
        assert!(refuses && rest.contains("- '^ZBX_NOTSUPPORTED: (.*)'\n"), "{item}");
        let is_float = rest.contains("value_type: FLOAT");
        assert!(key.is_text() || is_float || value.parse::<u64>().is_ok(), "{item}: {value}");
    }
    let keys: BTreeSet<&str> = items.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys.len(), items.len(), "each once");
    let used = Regex::new(r"/memtrace by Zabbix agent/(memtrace\.\w+\[[^\]]*\])").expect("it is");
    let used: Vec<_> = used.captures_iter(TEMPLATE).map(|found| found[1].to_owned()).collect();
    assert!(used.len() > 5);
    assert!(used.iter().all(|key| keys.contains(key.as_str())), "{used:?}");
}

/// The random identities of a template.
fn identities(template: &str) -> BTreeSet<String> {
    let uuid = Regex::new(r"uuid: (.*)").expect("it is");
    let all: Vec<String> = uuid.captures_iter(template).map(|found| found[1].to_owned()).collect();
    for text in &all {
        let read = uuid::Uuid::parse_str(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!((read.get_version_num(), text.len()), (4, 32), "{text}");
    }
    let each: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(each.len(), all.len());
    each
}

/// Fails where a macro is used that the template doesn't set, or one that is set holds another:
/// Zabbix leaves that as it is.
fn macros(template: &str) {
    let set = Regex::new(r"- macro: '.*'\n +value: '(.*)'\n").expect("it is");
    for found in set.captures_iter(template) {
        assert!(!found[1].contains('{'), "{:?}", &found[0]);
    }
    let used = Regex::new(r"\{\$[A-Z.]+\}").expect("it is");
    for name in used.find_iter(template) {
        assert!(template.contains(&format!("- macro: '{}'", name.as_str())), "{name:?}");
    }
}

#[test]
fn the_templates_identities_are_random_and_its_macros_there() {
    assert!(!identities(TEMPLATE).is_empty());
    macros(TEMPLATE);
}

#[test]
fn the_agents_parameters_are_understood() {
    let lines = PARAMETERS.lines().filter_map(|line| line.strip_prefix("UserParameter="));
    let mut keys = Vec::new();
    for line in lines {
        let (key, command) = line.split_once(',').expect("a key and a command");
        keys.push(key);
        let command = command.replace("\"$1\"", "7:9").replace("\"$2\"", "vm_swap_bytes");
        let typed = Arguments::try_parse_from(command.split(' ')).expect(line).command;
        let Some(Command::Zabbix(arguments)) = typed else { panic!("{line}") };
        if let ZabbixCommand::Get { key: typed, vm, .. } = arguments.command {
            let of_vm = key == "memtrace.vm[*]";
            let expected = if of_vm { ("vm_swap_bytes", Some("7:9")) } else { ("7:9", None) };
            assert_eq!((typed.as_str(), vm.as_deref()), expected, "{line}");
        }
    }
    assert_eq!(keys, ["memtrace.discover", "memtrace.host[*]", "memtrace.vm[*]"]);
    assert!(TEMPLATE.contains("key: memtrace.discover\n"));
}
