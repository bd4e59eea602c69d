//! The metrics of each VM: who it is, how large, and how it fares.

use std::borrow::Cow;

use super::read::{alone, bytes, flag, one_of, ratio, seconds};
use super::table::{Kind, Metric, OfVm, Point, Unit, Value};
use memtrace_core::model::snapshot::{Measured, VmView};
use memtrace_core::sample::{Accelerator, GuestStats, Manager, VmState};
use memtrace_core::text::clean;
use memtrace_core::units::{Bytes, Limit};

const STATES: [&str; 7] =
    ["running", "paused", "starting", "migrating", "shutting_down", "crashed", "exiting"];

pub(super) fn metrics() -> Vec<Metric> {
    [identity().as_slice(), &memory(), &guest(), &guest_counted()].concat()
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str, read: OfVm) -> Metric {
    Metric::of_vm(Kind::Gauge, name, unit, &[], help, read)
}

fn identity() -> [Metric; 5] {
    [
        Metric::of_vm(
            Kind::Info,
            "vm",
            Unit::None,
            &["pid", "vmm", "accelerator", "manager"],
            "A VM and the process that runs it; another one after a restart.",
            |vm, _| vec![Point { labels: who(vm), value: flag(true) }],
        ),
        Metric::of_vm(
            Kind::Gauge,
            "vm_state",
            Unit::None,
            &["state"],
            "1 for the state of the VM, 0 for the others.",
            |vm, _| one_of(&STATES, vm.state.value.map(state)),
        ),
        gauge(
            "vm_cpu",
            Unit::Ratio,
            "User and system time of all its threads in the interval: 1 is one CPU.",
            |vm, _| ratio(&vm.cpu),
        ),
        gauge(
            "vm_stalled",
            Unit::Ratio,
            "Share of the interval that its threads waited for memory; over 1 where several did \
             at once.",
            |vm, _| ratio(&vm.stalled),
        ),
        gauge(
            "vm_caused",
            Unit::Ratio,
            "Its share of all pages that reclaim took in the interval, whoever lost them.",
            |vm, _| ratio(&vm.caused),
        ),
    ]
}

fn memory() -> [Metric; 12] {
    let size = |name, help, read| gauge(name, Unit::Bytes, help, read);
    [
        size(
            "vm_balloon_actual",
            "Its logical size now: its maximum less its balloon.",
            |vm, _| bytes(&vm.balloon_actual),
        ),
        size("vm_balloon_maximum", "The most that it can grow to.", |vm, _| {
            bytes(&vm.balloon_maximum)
        }),
        size("vm_balloon_target", "The size that memtrace last ordered, or would.", |vm, _| {
            bytes(&vm.balloon_target)
        }),
        gauge(
            "vm_balloon_stuck",
            Unit::None,
            "1 for a VM whose balloon has not moved for long though it was told to.",
            |vm, scene| {
                let report = scene.decided.report();
                let flagged =
                    report.map(|report| report.reaction.decisions.flagged.contains(&vm.id));
                alone(flagged.map(flag))
            },
        ),
        size("vm_resident", "VmRSS of its process.", |vm, _| bytes(&vm.rss)),
        size("vm_resident_shared", "RssShmem of its process.", |vm, _| bytes(&vm.rss_shmem)),
        size("vm_swap", "VmSwap of its process; without shared guest memory.", |vm, _| {
            bytes(&vm.swap)
        }),
        size("vm_hugetlb", "HugetlbPages of its process.", |vm, _| bytes(&vm.hugetlb)),
        size("vm_locked", "VmLck of its process.", |vm, _| bytes(&vm.locked)),
        size("vm_cgroup", "What its memory cgroup is charged with.", |vm, _| {
            bytes(&vm.cgroup_usage)
        }),
        size(
            "vm_cgroup_limit",
            "The tightest hard limit of its cgroup and those around it; nothing without one.",
            |vm, _| limit(&vm.cgroup_limit),
        ),
        size("vm_cgroup_high", "The same of memory.high.", |vm, _| limit(&vm.cgroup_high)),
    ]
}

fn guest() -> [Metric; 5] {
    let size = |name, help, read| gauge(name, Unit::Bytes, help, read);
    [
        size("vm_guest_memory", "Memory that the guest says it has.", |vm, _| {
            bytes(&vm.guest_total)
        }),
        size("vm_guest_available", "What of it the guest says is available.", |vm, _| {
            bytes(&vm.guest_available)
        }),
        size("vm_guest_free", "What of it the guest says is free, without its caches.", |vm, _| {
            alone(told(vm, |stats| stats.free.map(|free| free.0)))
        }),
        gauge("vm_guest_age", Unit::Seconds, "Since the guest last said so.", |vm, _| {
            alone(vm.guest_age.value.map(seconds))
        }),
        size("vm_dead", "Memory in the VM that the guest itself has no use for.", |vm, _| {
            bytes(&vm.dead)
        }),
    ]
}

/// Of the guest's own kernel, since it booted.
fn guest_counted() -> [Metric; 4] {
    let counter =
        |name, unit, help, read| Metric::of_vm(Kind::Counter, name, unit, &[], help, read);
    [
        counter(
            "vm_guest_major_faults",
            Unit::None,
            "Major faults inside the guest, as it says.",
            |vm, _| alone(told(vm, |stats| stats.major_faults)),
        ),
        counter(
            "vm_guest_swap_in",
            Unit::Bytes,
            "What came back from the guest's own swap, as it says.",
            |vm, _| alone(told(vm, |stats| stats.swap_in.map(|bytes| bytes.0))),
        ),
        counter(
            "vm_guest_swap_out",
            Unit::Bytes,
            "What went to the guest's own swap, as it says.",
            |vm, _| alone(told(vm, |stats| stats.swap_out.map(|bytes| bytes.0))),
        ),
        counter(
            "vm_guest_oom_kills",
            Unit::None,
            "Processes that the guest's own OOM killer ended, where the balloon device tells.",
            |vm, _| alone(told(vm, |stats| stats.oom_kills)),
        ),
    ]
}

/// What the guest last said, however long ago.
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
