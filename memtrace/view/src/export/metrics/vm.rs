//! The metrics of each VM: identity, state, sizes, and guest statistics.

use std::borrow::Cow;

use super::read::{alone, bytes, flag, one_of, per_second, ratio, seconds};
use super::table::{Metric, MetricKind, OfVm, Point, Unit, Value};
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::sample::{Accelerator, GuestStats, Manager, Platform, VmState};
use memtrace_core::text::clean;
use memtrace_core::units::{Bytes, Limit};

const STATES: [&str; 7] =
    ["running", "paused", "starting", "migrating", "shutting_down", "crashed", "exiting"];

pub(super) fn metrics() -> Vec<Metric> {
    [identity().as_slice(), &memory(), &guest(), &guest_counted()].concat()
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str, read: OfVm) -> Metric {
    Metric::of_vm(MetricKind::Gauge, name, unit, &[], help, read)
}

fn identity() -> [Metric; 7] {
    [
        Metric::of_vm(
            MetricKind::Info,
            "vm",
            Unit::None,
            &["pid", "vmm", "accelerator", "manager"],
            "VM and its process; changes with a restart.",
            |vm, _| vec![Point { labels: who(vm), value: flag(true) }],
        ),
        Metric::of_vm(
            MetricKind::Info,
            "vm_labels",
            Unit::None,
            &["platform", "platform_id", "platform_name", "display_name", "project", "labels"],
            "What its platform and the configuration call the VM, to join with other metrics; no \
             sample where nothing is known.",
            |vm, _| called(vm),
        ),
        Metric::of_vm(
            MetricKind::Gauge,
            "vm_state",
            Unit::None,
            &["state"],
            "1 for the state of the VM, 0 for the others.",
            |vm, _| one_of(&STATES, vm.state.value.map(state)),
        ),
        gauge(
            "vm_cpu",
            Unit::Ratio,
            "CPU time of all its threads in the interval; 1 is one CPU.",
            |vm, _| ratio(&vm.cpu),
        ),
        gauge(
            "vm_stalled",
            Unit::Ratio,
            "Time its threads stalled on memory, as a share of the interval; over 1 if several \
             did.",
            |vm, _| ratio(&vm.stalled),
        ),
        gauge(
            "vm_caused",
            Unit::Ratio,
            "Pages reclaimed by it in the interval, as a share of all pages reclaimed.",
            |vm, _| ratio(&vm.caused),
        ),
        gauge(
            "vm_swap_in",
            Unit::BytesPerSecond,
            "Rate at which its memory was swapped in, in the interval.",
            |vm, _| per_second(vm.swap_in.value),
        ),
    ]
}

fn memory() -> [Metric; 12] {
    let size = |name, help, read| gauge(name, Unit::Bytes, help, read);
    [
        size("vm_balloon_actual", "Current size: maximum less balloon.", |vm, _| {
            bytes(&vm.balloon_actual)
        }),
        size("vm_balloon_maximum", "Maximum size.", |vm, _| bytes(&vm.balloon_maximum)),
        size("vm_balloon_target", "Balloon target of memtrace, ordered or proposed.", |vm, _| {
            bytes(&vm.balloon_target)
        }),
        gauge(
            "vm_balloon_stuck",
            Unit::None,
            "1 if the balloon doesn't move to its target.",
            |vm, scene| {
                let report = scene.decided.report();
                let flagged =
                    report.map(|report| report.reaction.decisions.flagged.contains(&vm.id));
                alone(flagged.map(flag))
            },
        ),
        size("vm_resident", "VmRSS of its process.", |vm, _| bytes(&vm.rss)),
        size("vm_resident_shared", "RssShmem of its process.", |vm, _| bytes(&vm.rss_shmem)),
        size(
            "vm_swap",
            "VmSwap of its process; where guest memory is shared, the swap of its own cgroup.",
            |vm, _| bytes(&vm.swap),
        ),
        size("vm_hugetlb", "HugetlbPages of its process.", |vm, _| bytes(&vm.hugetlb)),
        size("vm_locked", "VmLck of its process.", |vm, _| bytes(&vm.locked)),
        size("vm_cgroup", "Memory charged to its cgroup.", |vm, _| bytes(&vm.cgroup_usage)),
        size(
            "vm_cgroup_limit",
            "Tightest hard limit of its cgroup and its ancestors; no sample without one.",
            |vm, _| limit(&vm.cgroup_limit),
        ),
        size("vm_cgroup_high", "Tightest memory.high of its cgroup and its ancestors.", |vm, _| {
            limit(&vm.cgroup_high)
        }),
    ]
}

fn guest() -> [Metric; 5] {
    let size = |name, help, read| gauge(name, Unit::Bytes, help, read);
    [
        size("vm_guest_memory", "Total memory, from guest statistics.", |vm, _| {
            bytes(&vm.guest_total)
        }),
        size("vm_guest_available", "Available memory, from guest statistics.", |vm, _| {
            bytes(&vm.guest_available)
        }),
        size("vm_guest_free", "Free memory without caches, from guest statistics.", |vm, _| {
            alone(told(vm, |stats| stats.free.map(|free| free.0)))
        }),
        gauge("vm_guest_age", Unit::Seconds, "Age of the guest statistics.", |vm, _| {
            alone(vm.guest_age.value.map(seconds))
        }),
        size(
            "vm_dead",
            "Unused memory: held by the host (memory and swap), free in the guest.",
            |vm, _| bytes(&vm.dead),
        ),
    ]
}

/// Counters of the guest's kernel since its boot.
fn guest_counted() -> [Metric; 4] {
    let counter =
        |name, unit, help, read| Metric::of_vm(MetricKind::Counter, name, unit, &[], help, read);
    [
        counter(
            "vm_guest_major_faults",
            Unit::None,
            "Major faults in the guest, from guest statistics.",
            |vm, _| alone(told(vm, |stats| stats.major_faults)),
        ),
        counter(
            "vm_guest_swap_in",
            Unit::Bytes,
            "Swap-in of the guest's own swap, from guest statistics.",
            |vm, _| alone(told(vm, |stats| stats.swap_in.map(|bytes| bytes.0))),
        ),
        counter(
            "vm_guest_swap_out",
            Unit::Bytes,
            "Swap-out of the guest's own swap, from guest statistics.",
            |vm, _| alone(told(vm, |stats| stats.swap_out.map(|bytes| bytes.0))),
        ),
        counter(
            "vm_guest_oom_kills",
            Unit::None,
            "OOM kills in the guest, where the balloon device reports them.",
            |vm, _| alone(told(vm, |stats| stats.oom_kills)),
        ),
    ]
}

/// The last guest statistics, of any age.
fn told(vm: &VmView, read: impl Fn(&GuestStats) -> Option<u64>) -> Option<Value> {
    vm.guest_stats.value.as_ref().and_then(read).map(Value::Count)
}

fn who(vm: &VmView) -> Vec<Cow<'_, str>> {
    let accelerator = match vm.accelerator {
        Some(Accelerator::Kvm) => "kvm",
        Some(Accelerator::Tcg) => "tcg",
        None => "",
    };
    let manager = match vm.manager {
        Manager::Libvirt => "libvirt",
        Manager::Qmp => "qmp",
        Manager::None => "none",
    };
    vec![vm.pid.to_string().into(), clean(&vm.vmm), accelerator.into(), manager.into()]
}

fn called(vm: &VmView) -> Vec<Point<'_>> {
    let labels = &vm.labels;
    if labels.is_empty() {
        return Vec::new();
    }
    let text =
        |text: &'_ Option<String>| Cow::Owned(clean(text.as_deref().unwrap_or("")).into_owned());
    let more = labels.more.iter().map(|(key, value)| format!("{key}={value}"));
    let more = more.collect::<Vec<_>>().join(",");
    let labels = vec![
        labels.platform.map_or("", Platform::word).into(),
        text(&labels.id),
        text(&labels.platform_name),
        text(&labels.name),
        text(&labels.project),
        Cow::Owned(clean(&more).into_owned()),
    ];
    vec![Point { labels, value: flag(true) }]
}

const fn state(state: VmState) -> &'static str {
    let [running, paused, starting, migrating, shutting_down, crashed, exiting] = STATES;
    match state {
        VmState::Running => running,
        VmState::Paused => paused,
        VmState::Starting => starting,
        VmState::Migrating => migrating,
        VmState::ShuttingDown => shutting_down,
        VmState::Crashed => crashed,
        VmState::Exiting => exiting,
    }
}

fn limit(limit: &Measured<Limit>) -> Vec<Point<'static>> {
    alone(match limit.value {
        Some(Limit::At(Bytes(bytes))) => Some(Value::Count(bytes)),
        Some(Limit::Unlimited) | None => None,
    })
}
