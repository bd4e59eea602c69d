//! The keys for the host and for reclaim flows between VMs.

use super::Form::*;
use super::{LINE, MEASURED, Shape, either, list, measured, measured_list, optional, plain, shape};

const QUALITIES: &str = "exact, approximate, absent";

pub const SHAPES: &[Shape] = &[
    shape(
        LINE,
        "one snapshot",
        &[
            plain(
                "schema_version",
                Count,
                "version of this schema; incremented when a key is removed or changes its meaning",
            ),
            plain("wall", Time, "when the kernel's counters were read"),
            plain(
                "interval",
                Nanoseconds,
                "period that rates and shares cover; `null` in the first line",
            ),
            plain("host", Shape("host"), "the host"),
            list("vms", Shape("vm"), "VMs that match --filter, most stalled first"),
            measured_list(
                "flows",
                Shape("flow"),
                "pages reclaimed, by causing and losing party, largest first",
            ),
            list("signals", Shape("signal"), "signals and their quality on this host"),
            list("notices", Shape("notice"), "messages for the operator"),
            plain(
                "reaction",
                Shape("reaction"),
                "decisions of the policy; `null` where there are none",
            ),
            plain("undecided", Text, "why there is no reaction"),
        ],
    ),
    shape(
        MEASURED,
        "a value with its quality",
        &[
            plain("value", Anything, "`null` exactly if it is absent"),
            plain("quality", Word(QUALITIES), "exact: agrees with the kernel's own counter"),
            optional(plain("reason", Text, "why it is not exact")),
        ],
    ),
    shape(
        "host",
        "the host",
        &[
            plain("hostname", Text, "host name"),
            plain("kernel", Text, "kernel release"),
            plain("cpus", Count, "CPUs that are online"),
            measured("memory_total", Bytes, "MemTotal"),
            measured("memory_available", Bytes, "MemAvailable"),
            measured("memory_free", Bytes, "MemFree"),
            measured("memory_cached", Bytes, "buffers and page cache"),
            measured("swap_total", Bytes, "all swap"),
            measured("swap_used", Bytes, "swap used"),
            measured("swap_in", BytesPerSecond, "read from swap"),
            measured("swap_out", BytesPerSecond, "written to swap"),
            list("swaps", Shape("swap"), "swap devices and files"),
            measured("psi", Shape("psi"), "pressure stall information of memory"),
            measured(
                "kswapd_active",
                Percent,
                "time kswapd was active, of the interval; over 100 with several NUMA nodes",
            ),
            measured("kswapd_reclaim", BytesPerSecond, "reclaimed by kswapd"),
            measured("direct_reclaims", PerSecond, "direct reclaims of all processes"),
            measured("memcg_reclaims", PerSecond, "reclaims within cgroups of all processes"),
            measured("allocated", Bytes, "sum of the VMs' maximum sizes"),
            measured("overcommit", Ratio, "allocated divided by memory_total"),
            measured("losses", Shape("losses"), "events that the eBPF programs could not count"),
            measured("totals", Shape("host_totals"), "counters that belong to no VM"),
        ],
    ),
    shape(
        "swap",
        "a swap device or file",
        &[
            plain("path", Text, "path as in /proc/swaps"),
            plain("kind", Text, "partition or file"),
            plain("size", Bytes, "size"),
            plain("used", Bytes, "used"),
            plain("priority", Count, "priority; highest is used first"),
        ],
    ),
    shape(
        "psi",
        "pressure stall information",
        &[
            plain("some", Shape("psi_line"), "at least one task stalled"),
            plain("full", Shape("psi_line"), "all non-idle tasks stalled"),
        ],
    ),
    shape(
        "psi_line",
        "one line of pressure stall information",
        &[
            plain("avg10", Percent, "10 s average"),
            plain("avg60", Percent, "60 s average"),
            plain("avg300", Percent, "300 s average"),
            plain("total_us", Microseconds, "total stall time since boot"),
        ],
    ),
    shape(
        "losses",
        "since memtrace started",
        &[
            plain("events", Count, "events that did not fit into the ring buffer"),
            plain("slots", Count, "VMs without a slot in the map"),
            plain("stalls", Count, "waits that could not be timed"),
            plain("async_faults", Count, "asynchronous faults that could not be timed"),
            plain("flow_pages", Pages, "pages of pairs that did not fit into the flow table"),
            plain("address_spaces", Count, "address spaces that did not fit into the map"),
            plain("failed_reads", Count, "failed reads of kernel memory"),
            plain("missed_runs", Count, "events for which the eBPF program was not run"),
        ],
    ),
    shape(
        "host_totals",
        "since memtrace started",
        &[
            plain("host", Shape("host_counters"), "counters of the host"),
            plain("kswapd", Shape("counters"), "counters of kswapd"),
            plain("other", Shape("counters"), "counters of everything but VMs and kswapd"),
            plain("vm_oom_kills", Count, "VMs killed by the OOM killer, also those that are gone"),
            plain("missed_runs", Count, "events for which the eBPF program was not run"),
            plain("missed_by_signal", BySignal, "missed_runs by signal, where there were any"),
        ],
    ),
    shape(
        "host_counters",
        "counters of the host",
        &[
            plain("kswapd_wakes", Count, "times that kswapd woke up"),
            plain("kswapd_sleeps", Count, "times that it went to sleep"),
            plain("kswapd_active_ns", Nanoseconds, "time kswapd was active"),
            plain("lost_events", Count, "as events in losses"),
            plain("lost_slots", Count, "as slots"),
            plain("lost_stalls", Count, "as stalls"),
            plain("lost_async_faults", Count, "as async_faults"),
            plain("lost_flow_pages", Pages, "as flow_pages"),
            plain("lost_address_spaces", Count, "as address_spaces"),
            plain("failed_reads", Count, "as failed_reads"),
        ],
    ),
    shape(
        "flow",
        "pages reclaimed by one party from another",
        &[
            plain("causer", WordOr("kswapd, other", "party"), "party that reclaimed"),
            plain("victim", WordOr("kswapd, other", "party"), "party that lost the pages"),
            plain("pages", PerSecond, "pages reclaimed"),
            plain("total_pages", Pages, "since memtrace started"),
        ],
    ),
    either("party", "a VM", &[plain("vm", Shape("id"), "the VM")]),
    shape(
        "signal",
        "a signal",
        &[
            plain("signal", Text, "its name"),
            plain("source", Text, "hooks or files that it is read from"),
            plain("hooked", Flag, "counted by an attached hook"),
            plain("quality", Word(QUALITIES), "quality on this host"),
            optional(plain("reason", Text, "why it is not exact")),
        ],
    ),
    shape(
        "notice",
        "a message for the operator",
        &[plain("about", Text, "libvirt, qmp, cgroup, ..."), plain("text", Text, "message")],
    ),
];
