//! What scrapers read.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::catalogue::all;
use super::parse::{Sample as Line, sample as line};
use super::scene::shown;
use super::table::MetricKind;
use super::*;
use memtrace_core::alert::{Alert, AlertState, Condition, Finding, Severity};
use memtrace_core::fixture::{self, MIB};
use memtrace_core::model::snapshot::{FlowView, VmView};
use memtrace_core::model::totals::Totals;
use memtrace_core::model::{Measured, Snapshot};
use memtrace_core::reactor::Decided;
use memtrace_core::reactor::entry::Named;
use memtrace_core::sample::Party;
use memtrace_core::signal::Signal;
use memtrace_core::units::{ByteRate, Bytes, Rate, WallNanos};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md"));
/// What is made of the metrics elsewhere.
const PACKAGED: [&str; 3] = [
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/grafana/memtrace.json")),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/prometheus/memtrace.rules.yml"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/prometheus/memtrace.rules.test.yml"
    )),
];
const BASE_PAGE: Bytes = Bytes(4096);

fn told(snapshot: Arc<Snapshot>, decided: Decided, form: Form) -> String {
    let now = WallNanos(snapshot.wall.0 + 1_500_000_000);
    text(Scene::new(snapshot, decided, BASE_PAGE, now), form).expect("it is written")
}

fn open(snapshot: Snapshot) -> String {
    told(Arc::new(snapshot), Decided::Not("no policy".into()), Form::OpenMetrics)
}

fn lines(text: &str) -> Vec<Line> {
    let samples = text.lines().filter(|line| !line.starts_with("# "));
    samples.map(|text| line(text).unwrap_or_else(|| panic!("no sample: {text:?}"))).collect()
}

fn named<'a>(lines: &'a [Line], name: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.name == name).collect()
}

#[test]
fn the_demo_is_pinned() {
    let text = told(fixture::demo(), fixture::observed(), Form::OpenMetrics);
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn the_demo_in_the_classic_form_is_pinned() {
    // `cargo xtask test` has promtool read it.
    let text = told(fixture::demo(), fixture::observed(), Form::Classic);
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn the_page_is_of_today() {
    let page = page::page();
    assert!(page == PAGE, "memtrace metrics --describe > docs/metrics.md\n{page}");
}

#[test]
fn the_table_is_by_the_conventions() {
    let mut names = BTreeSet::new();
    for metric in all() {
        let name = metric.full_name();
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert!(metric.help.ends_with('.') && !metric.help.contains(['\n', '\\', '|']), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == MetricKind::Counter, "{name}");
        assert!(metric.kind != MetricKind::Info || metric.unit == table::Unit::None, "{name}");
        let labels = metric.labels.iter().chain(&table::VM_LABELS);
        assert!(labels.clone().all(|label| *label != "le"), "{name}");
        assert_eq!(labels.clone().collect::<BTreeSet<_>>().len(), labels.count(), "{name}");
    }
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    let suffixes = ["_bucket", "_sum", "_count"];
    let samples = |metric: &table::Metric| match metric.kind {
        MetricKind::Histogram => suffixes.map(|suffix| metric.full_name() + suffix).to_vec(),
        MetricKind::Gauge | MetricKind::Counter | MetricKind::Info => vec![metric.full_name()],
    };
    let names: BTreeSet<String> = all().iter().flat_map(samples).collect();
    // What a rule records has two colons in its name, and is none of ours.
    let name = regex::Regex::new("(^|[^a-z_:])(memtrace_[a-z_]+)").expect("it is an expression");
    for text in PACKAGED {
        let found = name.captures_iter(text).filter_map(|found| found.get(2));
        let used: BTreeSet<&str> = found.map(|found| found.as_str()).collect();
        assert!(used.len() > 5);
        let unknown = used.iter().filter(|name| !names.contains(**name));
        assert_eq!(unknown.collect::<Vec<_>>(), [&""; 0]);
    }
    let dashboard: serde_json::Value = serde_json::from_str(PACKAGED[0]).expect("it is JSON");
    assert_eq!(dashboard["uid"], "memtrace");
}

#[test]
fn every_alert_has_a_description_and_a_section_that_its_link_leads_to() {
    let runbooks =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts.md")).to_lowercase();
    let rules: Vec<&str> = PACKAGED[1].split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 15, "{}", rules.len());
    for rule in rules {
        let name = rule.lines().next().unwrap_or_default().to_lowercase();
        assert!(rule.contains(&format!("/docs/alerts.md#{name}\"")), "{rule}");
        assert!(rule.contains("          description: \""), "{rule}");
        assert!(runbooks.contains(&format!("\n## {name}\n")), "no section for {name}");
    }
}

#[test]
fn what_was_taken_is_told_by_who_took_it() {
    let mut snapshot = fixture::snapshot(vec![fixture::noisy(), fixture::victim()]);
    let (noisy, victim) = (snapshot.vms[0].id, snapshot.vms[1].id);
    let flow =
        |causer, victim, total_pages| FlowView { causer, victim, pages: Rate(0.0), total_pages };
    snapshot.flows = Measured::exact(vec![
        flow(Party::Vm(noisy), Party::Vm(victim), 3),
        flow(Party::Kswapd, Party::Vm(victim), 2),
        flow(Party::Other, Party::Vm(noisy), 1),
        flow(Party::Kswapd, Party::Other, 9),
    ]);
    let (by, of) = (snapshot.vms[0].name.clone(), snapshot.vms[1].name.clone());
    let text = open(snapshot);
    let taken: Vec<&str> =
        text.lines().filter(|line| line.starts_with("memtrace_vm_taken_bytes_total{")).collect();
    assert_eq!(
        taken,
        [
            format!(
                "memtrace_vm_taken_bytes_total{{name=\"{by}\",id=\"{noisy}\",by=\"other\",by_id=\"\"}} 4096"
            ),
            format!(
                "memtrace_vm_taken_bytes_total{{name=\"{of}\",id=\"{victim}\",by=\"{by}\",by_id=\"{noisy}\"}} 12288"
            ),
            format!(
                "memtrace_vm_taken_bytes_total{{name=\"{of}\",id=\"{victim}\",by=\"kswapd\",by_id=\"\"}} 8192"
            ),
        ]
    );
}

/// Its counters would be as large in each file, whose rate Prometheus would take for 0.
#[test]
fn of_a_single_look_there_is_what_the_kernel_counts_on_and_nothing_that_begins_with_it() {
    let snapshot = fixture::snapshot(vec![fixture::noisy(), fixture::victim()]);
    let scene = |snapshot| {
        Scene::new(Arc::new(snapshot), Decided::Not("".into()), BASE_PAGE, fixture::WALL)
    };
    let of = |scene| -> BTreeSet<String> {
        let text = text(scene, Form::Classic).expect("it is written");
        lines(&text).into_iter().map(|line| line.name.to_owned()).collect()
    };
    let (all, once) = (of(scene(snapshot.clone())), of(scene(snapshot).of_single_look()));
    for counted in
        ["vm_stalled_seconds_total", "vm_faults_total", "lost_total", "vm_taken_bytes_total"]
    {
        let name = format!("memtrace_{counted}");
        assert!(all.contains(&name) && !once.contains(&name), "{name}");
    }
    let kept: Vec<&String> =
        once.iter().filter(|name| name.ends_with("_total") || name.ends_with("_bucket")).collect();
    assert_eq!(
        kept,
        [
            "memtrace_host_direct_reclaims_total",
            "memtrace_host_pressure_seconds_total",
            "memtrace_host_swap_in_bytes_total",
            "memtrace_host_swap_out_bytes_total",
            "memtrace_vm_cpu_seconds_total",
            "memtrace_vm_guest_major_faults_total",
            "memtrace_vm_guest_oom_kills_total",
            "memtrace_vm_guest_swap_in_bytes_total",
            "memtrace_vm_guest_swap_out_bytes_total",
            "memtrace_vm_pressure_seconds_total",
            "memtrace_vm_process_faults_total",
        ]
    );
}

#[test]
fn flows_that_are_not_known_have_no_sample() {
    let mut snapshot = fixture::snapshot(vec![fixture::noisy()]);
    snapshot.flows = Measured::absent("no kernel side");
    assert!(!open(snapshot).contains("memtrace_vm_taken_bytes"));
}

#[test]
fn every_metric_of_the_table_is_reported_where_everything_is_known() {
    let mut snapshot = fixture::snapshot(vec![fixture::noisy(), fixture::victim()]);
    let vm = &mut snapshot.vms[0];
    let limit = Measured::exact(memtrace_core::units::Limit::At(Bytes(MIB)));
    vm.cgroup_high = limit.clone();
    vm.cgroup_limit = limit;
    vm.balloon_target = Measured::exact(Bytes(MIB));
    vm.labels = fixture::labels();
    snapshot.host.swap_in = Measured::approximate(ByteRate(1.0), "of 12 pages");
    let firing = Alert {
        condition: Condition::VmStalled,
        severity: Severity::Warning,
        state: AlertState::Firing,
        since: snapshot.wall,
        at: snapshot.wall,
        host: None,
        vm: Some(Named { vm: snapshot.vms[0].id, name: "a\nb".into(), labels: Default::default() }),
        finding: Finding::Measured { value: 20.0, limit: 10.0 },
    };
    let now = snapshot.wall;
    let scene = Scene::new(Arc::new(snapshot), fixture::observed(), BASE_PAGE, now);
    // Rule and VM of two alerts are the same: one sample.
    let scene = scene.alerted(vec![firing.clone(), firing]);
    let text = text(scene, Form::OpenMetrics).expect("it is written");
    let alerts: Vec<&str> =
        text.lines().filter(|line| line.starts_with("memtrace_alert_firing{")).collect();
    let firing =
        "memtrace_alert_firing{rule=\"vm_stalled\",severity=\"warning\",vm=\"a\u{fffd}b\",";
    assert!(alerts.len() == 1 && alerts[0].starts_with(firing), "{alerts:?}");
    let own = "platform=\"nova\",platform_id=\"0b6f2d84\",platform_name=\"instance-db\",\
               display_name=\"cart-db\",project=\"shop\",labels=\"flavour=m1.small,team=payments\"} 1";
    let labels = text.lines().filter(|line| line.starts_with("memtrace_vm_labels_info{"));
    assert!(labels.map(|line| line.ends_with(own)).eq([true]), "{text}");
    let lines = lines(&text);
    for metric in all() {
        let mut name = metric.full_name();
        if metric.kind == MetricKind::Histogram {
            name.push_str("_count");
        }
        assert!(!named(&lines, &name).is_empty(), "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// Values from files, of the host and of each VM.
const WITHOUT_KERNEL_SIDE: [&str; 27] = [
    "memtrace_host_allocated_bytes",
    "memtrace_host_direct_reclaims_total",
    "memtrace_host_info",
    "memtrace_host_memory_available_bytes",
    "memtrace_host_memory_bytes",
    "memtrace_host_memory_cached_bytes",
    "memtrace_host_memory_free_bytes",
    "memtrace_host_overcommit_ratio",
    "memtrace_host_swap_bytes",
    "memtrace_host_swap_device_bytes",
    "memtrace_host_swap_in_bytes_per_second",
    "memtrace_host_swap_in_bytes_total",
    "memtrace_host_swap_out_bytes_per_second",
    "memtrace_host_swap_out_bytes_total",
    "memtrace_host_swap_used_bytes",
    "memtrace_vm_approximate",
    "memtrace_vm_balloon_maximum_bytes",
    "memtrace_vm_cgroup_bytes",
    "memtrace_vm_cpu_ratio",
    "memtrace_vm_cpu_seconds_total",
    "memtrace_vm_hugetlb_bytes",
    "memtrace_vm_info",
    "memtrace_vm_locked_bytes",
    "memtrace_vm_process_faults_total",
    "memtrace_vm_resident_bytes",
    "memtrace_vm_resident_shared_bytes",
    "memtrace_vm_swap_bytes",
];

#[test]
fn an_unknown_value_has_no_sample() {
    let text = open((*fixture::without_kernel_side()).clone());
    let lines = lines(&text);
    let told: BTreeSet<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let told = told.into_iter().filter(|name| {
        let of = |prefix: &str| name.starts_with(prefix);
        of("memtrace_vm_") || of("memtrace_host_") || of("memtrace_lost")
    });
    assert_eq!(told.collect::<Vec<_>>(), WITHOUT_KERNEL_SIDE);
    for absent in ["memtrace_vm_stalled_ratio", "memtrace_vm_state", "memtrace_enforcing"] {
        assert!(!text.contains(&format!("# TYPE {absent} ")), "{absent}");
    }
    assert!(named(&lines, "memtrace_enforcing").is_empty());
    assert_eq!(named(&lines, "memtrace_vm_resident_bytes").len(), 2);
    let absent = named(&lines, "memtrace_signal_quality").into_iter().filter(|line| {
        line.value == 1.0 && line.labels.get("quality").is_some_and(|word| word == "absent")
    });
    assert_eq!(absent.count(), Signal::ALL.len());
}

#[test]
fn a_counter_without_a_hook_is_absent_and_one_with_a_hook_may_be_zero() {
    let mut snapshot = fixture::snapshot(vec![fixture::vm("a", 1), fixture::vm("b", 2)]);
    let unhooked = Arc::new([Signal::SwapOut, Signal::GuestFaults].into());
    snapshot.vms[0].totals = Measured::exact(Totals { unhooked, ..Totals::default() });
    snapshot.vms[1].totals = Measured::absent("no slot");
    let lines = lines(&open(snapshot));
    let of = |name| named(&lines, name).iter().map(|line| line.value).collect::<Vec<_>>();
    assert_eq!(of("memtrace_vm_swap_in_bytes_total"), [0.0]);
    assert_eq!(of("memtrace_vm_swap_out_bytes_total"), [0.0; 0]);
    assert_eq!(of("memtrace_vm_faults_total"), [0.0; 2], "user and kernel");
}

#[test]
fn major_faults_without_their_hook_are_the_process_and_kernel_workers() {
    let mut snapshot = fixture::snapshot(vec![fixture::vm("a", 1)]);
    let mut totals = Totals::<memtrace_ebpf::VmCounters>::default();
    (totals.counters.major_faults, totals.counters.async_faults_done) = (0, 5);
    totals.unhooked = Arc::new([Signal::MajorFaults].into());
    snapshot.vms[0].totals = Measured::exact(totals);
    let told = |snapshot: &Snapshot| {
        let lines = lines(&open(snapshot.clone()));
        named(&lines, "memtrace_vm_major_faults_total").iter().map(|line| line.value).collect()
    };
    snapshot.vms[0].process_major_faults = Measured::exact(7);
    let values: Vec<f64> = told(&snapshot);
    assert_eq!(values, [12.0]);
    snapshot.vms[0].process_major_faults = Measured::absent("not read");
    let values: Vec<f64> = told(&snapshot);
    assert_eq!(values, [0.0; 0]);
}

#[test]
fn pages_become_bytes_and_buckets_add_up() {
    let lines = lines(&open((*fixture::demo()).clone()));
    let noisy = |name| {
        let mut of = named(&lines, name);
        of.retain(|line| line.labels["name"] == "noisy");
        of.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(noisy("memtrace_vm_swap_in_bytes_total")[0].value, 307_200.0 * 4096.0);
    let buckets = noisy("memtrace_vm_reclaim_wait_seconds_bucket");
    assert_eq!(buckets.len(), memtrace_core::model::waited::BOUNDS.len() + 1);
    assert!(buckets.is_sorted_by(|one, next| one.value <= next.value));
    let last = buckets.last().expect("there are buckets");
    assert_eq!((last.labels["le"].as_str(), last.value), ("+Inf", 7_380.0));
    assert_eq!(noisy("memtrace_vm_reclaim_wait_seconds_count")[0].value, 7_380.0);
    assert_eq!(noisy("memtrace_vm_reclaim_wait_seconds_sum")[0].value, 8.6262);
}

#[test]
fn metrics_have_one_vm_of_each_identity_up_to_the_limit() {
    let twins = open(fixture::snapshot(vec![fixture::vm("a", 1), fixture::vm("b", 1)]));
    let count =
        |text: &str, name| named(&lines(text), name).iter().map(|line| line.value).sum::<f64>();
    assert_eq!(
        [1.0, 1.0, 2.0],
        [
            count(&twins, "memtrace_vm_info"),
            count(&twins, "memtrace_vms_omitted"),
            count(&twins, "memtrace_vms"),
        ]
    );
    let many: Vec<VmView> = (0..MOST_VMS as u32 + 2).map(|pid| fixture::vm("a", pid)).collect();
    assert_eq!(shown(&many).len(), MOST_VMS);
}

#[test]
fn the_classic_form_has_the_same_samples_under_names_that_it_knows() {
    let [open, classic] = [Form::OpenMetrics, Form::Classic]
        .map(|form| told(fixture::demo(), fixture::enforced(), form));
    assert_eq!(lines(&classic), lines(&open));
    let comments: Vec<&str> = classic.lines().filter(|line| line.starts_with('#')).collect();
    assert!(comments.contains(&"# TYPE memtrace_vm_swap_in_bytes_total counter"));
    assert!(comments.contains(&"# TYPE memtrace_build_info gauge"));
    assert!(comments.contains(&"# TYPE memtrace_vm_reclaim_wait_seconds histogram"));
    assert!(!classic.contains("EOF") && !classic.contains("# UNIT"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn no_name_breaks_a_line(name in "(\\PC|[\"\\\\\n\r\t{}=,# \u{1b}]){0,200}") {
        let mut vm = fixture::vm(&name, 7);
        vm.vmm.clone_from(&name);
        let mut snapshot = fixture::snapshot(vec![vm]);
        snapshot.host.hostname = Some(name.clone());
        let text = open(snapshot);
        let plain = open(fixture::snapshot(vec![fixture::vm("web", 7)]));
        prop_assert_eq!(text.lines().count(), plain.lines().count());
        let expected: String = memtrace_core::text::clean(&name).chars().take(128).collect();
        let all = lines(&text);
        let info = named(&all, "memtrace_vm_info");
        prop_assert_eq!(info.first().map(|line| &line.labels["name"]), Some(&expected));
    }
}
