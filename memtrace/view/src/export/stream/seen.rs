//! What is seen of the host, and who takes from whom.

use super::Form::*;
use super::{LINE, MEASURED, Shape, either, list, measured, measured_list, optional, plain, shape};

const QUALITIES: &str = "exact, approximate, absent";

pub const SHAPES: &[Shape] = &[
    shape(
        LINE,
        "a line, which is one tick",
        &[
            plain(
                "schema_version",
                Count,
                "of this form; it counts up when a key changes its meaning or goes away, and not for new keys",
            ),
            plain("wall", Time, "when the kernel's counters were read"),
            plain(
                "interval",
                Nanoseconds,
                "that rates and shares stand for; `null` in the first line, which has none",
            ),
            plain("host", Shape("host"), "the host"),
            list("vms", Shape("vm"), "the VMs that --filter lets through, who stalls most first"),
            measured_list("flows", Shape("flow"), "who takes pages from whom, the largest first"),
            list("signals", Shape("signal"), "what can be measured here"),
            list("notices", Shape("notice"), "what the operator should know"),
            plain("reaction", Shape("reaction"), "what is decided; `null` where nothing is"),
            plain("undecided", Text, "why there is no reaction"),
        ],
    ),
    shape(
        MEASURED,
        "a value that knows how far it can be trusted",
        &[
            plain("value", Anything, "`null` exactly if it is absent"),
            plain("quality", Word(QUALITIES), "exact agrees with the kernel's own counter"),
            optional(plain("reason", Text, "why it isn't exact")),
        ],
    ),
    shape(
        "host",
        "the host",
        &[
            plain("hostname", Text, "its name"),
            plain("kernel", Text, "its kernel's release"),
            plain("cpus", Count, "CPUs that are online"),
            measured("memory_total", Bytes, "MemTotal"),
            measured("memory_available", Bytes, "MemAvailable"),
            measured("memory_free", Bytes, "MemFree"),
            measured("memory_cached", Bytes, "buffers and page cache"),
            measured("swap_total", Bytes, "all swap"),
            measured("swap_used", Bytes, "of it used"),
            measured("swap_in", BytesPerSecond, "read from swap"),
            measured("swap_out", BytesPerSecond, "written to swap"),
            list("swaps", Shape("swap"), "swap devices and files"),
            measured("psi", Shape("psi"), "pressure stall information of memory"),
            measured(
                "kswapd_active",
                Percent,
                "of the interval that kswapd worked; over 100 with several nodes",
            ),
            measured("kswapd_reclaim", BytesPerSecond, "that kswapd reclaimed"),
            measured("direct_reclaims", PerSecond, "direct reclaims of all processes"),
            measured("memcg_reclaims", PerSecond, "reclaims within cgroups of all processes"),
            measured("allocated", Bytes, "sum of what the VMs may have"),
            measured("overcommit", Ratio, "allocated by memory_total"),
            measured("losses", Shape("losses"), "what the kernel side could not count"),
            measured(
                "totals",
                Shape("host_totals"),
                "the kernel side's counters that belong to no VM",
            ),
        ],
    ),
    shape(
        "swap",
        "a swap device or file",
        &[
            plain("path", Text, "as /proc/swaps has it"),
            plain("kind", Text, "partition or file"),
            plain("size", Bytes, "all of it"),
            plain("used", Bytes, "of it used"),
            plain("priority", Count, "the highest is used first"),
        ],
    ),
    shape(
        "psi",
        "pressure stall information",
        &[
            plain("some", Shape("psi_line"), "some tasks waited"),
            plain("full", Shape("psi_line"), "all tasks waited"),
        ],
    ),
    shape(
        "psi_line",
        "a line of it",
        &[
            plain("avg10", Percent, "of the last 10 s"),
            plain("avg60", Percent, "of the last minute"),
            plain("avg300", Percent, "of the last 5 minutes"),
            plain("total_us", Microseconds, "since boot"),
        ],
    ),
    shape(
        "losses",
        "since memtrace started",
        &[
            plain("events", Count, "events that did not fit into the ring buffer"),
            plain("slots", Count, "VMs for which there was no row"),
            plain("stalls", Count, "waits that could not be timed"),
            plain("async_faults", Count, "asynchronous faults that could not be timed"),
            plain("flow_pages", Pages, "taken by a pair that had no place in the table"),
            plain("address_spaces", Count, "address spaces that could not be remembered"),
            plain("failed_reads", Count, "kernel memory that could not be read"),
            plain("missed_runs", Count, "events that a program was not run for"),
        ],
    ),
    shape(
        "host_totals",
        "since memtrace started",
        &[
            plain("host", Shape("host_counters"), "of the host"),
            plain("kswapd", Shape("counters"), "of kswapd"),
            plain("other", Shape("counters"), "of all that is neither a VM nor kswapd"),
            plain("vm_oom_kills", Count, "VMs that the OOM killer chose, also those that are gone"),
            plain("missed_runs", Count, "events that a program was not run for"),
            plain("missed_by_signal", BySignal, "the same by signal, where there were any"),
        ],
    ),
    shape(
        "host_counters",
        "counters of the host",
        &[
            plain("kswapd_wakes", Count, "rounds that kswapd began"),
            plain("kswapd_sleeps", Count, "times that it went to sleep"),
            plain("kswapd_active_ns", Nanoseconds, "between the two"),
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
        "who takes from whom",
        &[
            plain("causer", WordOr("kswapd, other", "party"), "whose reclaim it was"),
            plain("victim", WordOr("kswapd, other", "party"), "whose pages they were"),
            plain("pages", PerSecond, "pages"),
            plain("total_pages", Pages, "since memtrace started"),
        ],
    ),
    either("party", "a VM that takes or loses", &[plain("vm", Shape("id"), "which")]),
    shape(
        "signal",
        "something that is measured",
        &[
            plain("signal", Text, "its name"),
            plain("source", Text, "hooks or files that it comes from"),
            plain("hooked", Flag, "a hook counts it"),
            plain("quality", Word(QUALITIES), "how far it can be trusted here"),
            optional(plain("reason", Text, "why it isn't exact")),
        ],
    ),
    shape(
        "notice",
        "something that the operator should know",
        &[plain("about", Text, "libvirt, qmp, cgroup, ..."), plain("text", Text, "for people")],
    ),
];
