//! Every column: its place on the screen, its words, and what its cell and its exported fields
//! are made of.

use memtrace_core::signal::Quality;
use memtrace_core::text;
use memtrace_core::units::Limit;
use serde_json::Value;

use super::amount::exported;
use super::cell::{guest, limit, number, pair, state, state_word, unknown, word};
use super::{Column, ColumnId as Id, ESSENTIAL, Source, column};

const MIB: f64 = 1024.0 * 1024.0;

/// The source of a column that shows one amount: the name of its exported field, and the field
/// of a [`memtrace_core::model::snapshot::VmView`].
macro_rules! amount {
    ($name:literal, $field:ident) => {
        Source {
            cell: |vm, width| number(&vm.$field, width),
            fields: &[($name, |vm| exported(&vm.$field))],
        }
    };
}

// The order of `from` is the order of importance: stalls and their causes stay to the last. Each
// value is the sum of all widths up to there, with a gap each and a name of 9 columns (of 14 beyond
// 79).
pub(super) static COLUMNS: [Column; 20] = [
    column(Id::Name, "name", "NAME", 9, 0, NAME).help("name of the VM").text(),
    column(Id::State, "state", "STATE", 5, ESSENTIAL, STATE)
        .help("state reported by the hypervisor")
        .text(),
    column(Id::Memory, "memory", "MEM/MAX", 9, 61, MEMORY)
        .help("current size (maximum less balloon) / maximum"),
    column(Id::Target, "target", "TARGET", 6, 91, amount!("target_bytes", balloon_target))
        .help("balloon target; ~ = proposed only (observe mode)"),
    column(Id::Rss, "rss", "RSS", 5, 27, amount!("rss_bytes", rss))
        .help("resident memory of its process"),
    column(Id::Swap, "swap", "SWAP", 5, 21, amount!("swap_bytes", swap))
        .help("memory in host swap")
        .heat(MIB, 1e18),
    column(Id::Faults, "faults", "FLT/s", 5, 73, amount!("faults_per_second", faults))
        .help("page faults per second, all kinds"),
    column(Id::Major, "major", "MAJ/s", 5, 67, amount!("major_faults_per_second", major_faults))
        .help("major faults per second: memory read from disk or swap")
        .heat(5.0, 100.0),
    column(Id::SwapIn, "swap-in", "SW-IN", 5, 45, amount!("swap_in_bytes_per_second", swap_in))
        .help("swap-in, bytes per second")
        .heat(MIB, 50.0 * MIB),
    column(Id::SwapOut, "swap-out", "SWOUT", 5, 51, amount!("swap_out_bytes_per_second", swap_out))
        .help("swap-out, bytes per second")
        .heat(MIB, 50.0 * MIB),
    column(Id::Stall, "stall", "STALL", 5, 15, amount!("stall_percent", stalled))
        .help("time its threads stalled on memory, % of the interval")
        .heat(1.0, 10.0),
    column(Id::Caused, "caused", "CAUSE", 5, 33, amount!("caused_percent", caused))
        .help("pages reclaimed by it, % of all pages reclaimed on the host"),
    column(Id::Taken, "taken", "TAKEN", 5, 39, amount!("taken_pages_per_second", taken))
        .help("pages per second reclaimed from it, by any process"),
    column(Id::Psi, "psi", "PSI10", 5, 97, amount!("psi_some_avg10_percent", psi))
        .help("PSI of its cgroup: some, average over 10 s")
        .heat(10.0, 50.0),
    column(Id::Guest, "guest", "GUESTFREE", 9, 113, GUEST)
        .help("memory available in the guest, and age of that statistic"),
    column(
        Id::AsyncFault,
        "async-p99",
        "APF99",
        5,
        119,
        amount!("async_fault_p99_seconds", async_fault_p99),
    )
    .help("99th percentile of KVM asynchronous page fault latency"),
    column(Id::Limit, "limit", "CG/LIMIT", 9, 129, LIMIT)
        .help("memory of its cgroup / tightest hard limit"),
    column(Id::Cpu, "cpu", "CPU", 5, 103, amount!("cpu_percent", cpu))
        .help("CPU time of all its threads; 100% is one CPU"),
    column(Id::Unused, "unused", "UNUSED", 6, 136, amount!("dead_bytes", dead))
        .help("memory and swap held by the host, free in the guest"),
    column(Id::Cgroup, "cgroup", "CGROUP", 24, 170, CGROUP)
        .help("memory cgroup that it is charged to")
        .text(),
];

const NAME: Source = Source {
    cell: |vm, _| word(text::clean(&vm.title()).into_owned().into(), Quality::Exact),
    fields: &[("name", |vm| vm.name.as_str().into())],
};

const STATE: Source = Source {
    cell: |vm, _| state(&vm.state),
    fields: &[("state", |vm| vm.state.value.map(state_word).into())],
};

const MEMORY: Source = Source {
    cell: |vm, _| pair(&vm.balloon_actual, &vm.balloon_maximum),
    fields: &[
        ("memory_bytes", |vm| exported(&vm.balloon_actual)),
        ("memory_max_bytes", |vm| exported(&vm.balloon_maximum)),
    ],
};

const GUEST: Source = Source {
    cell: |vm, _| guest(vm),
    fields: &[
        ("guest_available_bytes", |vm| exported(&vm.guest_available)),
        ("guest_age_seconds", |vm| exported(&vm.guest_age)),
    ],
};

const LIMIT: Source = Source {
    cell: |vm, _| limit(vm),
    fields: &[
        ("cgroup_bytes", |vm| exported(&vm.cgroup_usage)),
        ("cgroup_limit_bytes", |vm| match vm.cgroup_limit.value {
            Some(Limit::At(limit)) => limit.0.into(),
            Some(Limit::Unlimited) => "unlimited".into(),
            None => Value::Null,
        }),
    ],
};

const CGROUP: Source = Source {
    cell: |vm, _| {
        vm.cgroup_path.as_deref().map_or_else(
            || unknown(Quality::absent("its cgroup was not found")),
            |path| word(text::clean(path), Quality::Exact),
        )
    },
    fields: &[("cgroup", |vm| vm.cgroup_path.as_deref().into())],
};
