//! docs/metrics.md, generated from the table.

use std::fmt::Write as _;

use super::catalogue;
use super::table::{Metric, MetricKind, VM_LABELS};
use memtrace_core::model::waited::BOUNDS;

const INTRODUCTION: &str = "\
# Metrics

Metrics of memtrace, in OpenMetrics 1.0 or the Prometheus text format 0.0.4. This page is the output
of `memtrace metrics --describe`; a test compares the two.

- **Unknown is absent.** Unknown values have no sample, and are never 0: counters without a
    hook on this kernel, statistics of guests that don't report them, limits that aren't set.
  `memtrace_signal_quality` says which signals are exact, approximate or absent on this host.
- **A VM has two labels**, `name` and `id`: its UUID, or without one the process id and
    start time (`PID@START`). Names are untrusted: unprintable characters are replaced, and names are
    cut to 128 characters. Of two VMs with the same identity only the first has metrics.
- **Counters begin at 0 with each process.** A restarted VM keeps its `id`, so its series
    continue; its counters drop to those of the new process, which `rate()` and `increase()` treat as a
    reset. The same applies when memtrace is restarted. There are no created timestamps: a reset is
    missed only if the new process exceeds the old counter within one scrape interval. A change of the
    process id in `memtrace_vm_info` indicates a restart. `memtrace exporter` and `memtrace mitigate`
    count on; `memtrace metrics --textfile` looks once, and leaves these counters out.
- **Ratios and rates** (`_ratio`, `_per_second`) cover memtrace's own last interval,
    `memtrace_sample_interval_seconds`. Use the counters for values between scrapes.
- **A scrape returns the newest sample** and triggers none; `memtrace_sample_age_seconds` is its
    age.
";

/// The whole page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let all = catalogue::all();
    let (of_vms, of_host): (Vec<&Metric>, Vec<&Metric>) =
        all.iter().partition(|metric| metric.is_of_vm());
    section(&mut page, "memtrace and the host", &of_host);
    section(&mut page, "Each VM", &of_vms);
    let labels = VM_LABELS.map(|label| format!("`{label}`")).join(" and ");
    let bounds: Vec<String> =
        BOUNDS.iter().map(|bound| format!("{}", bound.0 as f64 / 1e9)).collect();
    // Writing to a string doesn't fail.
    let _ = write!(
        page,
        "\nEach of these has the labels {labels} before those in the table. Histograms have \
         buckets up to\n{} and `+Inf`\nseconds: powers of four nanoseconds, which are also bounds \
         of memtrace's own buckets.\n",
        bounds.join(", ")
    );
    page
}

fn section(page: &mut String, title: &str, metrics: &[&Metric]) {
    let _ = write!(page, "\n## {title}\n\n| name | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in metrics {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match metric.kind {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
            MetricKind::Histogram => "histogram",
            MetricKind::Info => "info",
        };
        let (name, labels) = (metric.full_name(), labels.join(", "));
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {} |", metric.help);
    }
}
