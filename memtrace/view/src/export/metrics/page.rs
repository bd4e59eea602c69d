//! docs/metrics.md, from the table.

use std::fmt::Write as _;

use super::table::{self, Kind, Metric, VM_LABELS};
use memtrace_core::model::waited::BOUNDS;

const INTRODUCTION: &str = "\
# Metrics

What memtrace tells Prometheus and its like, in OpenMetrics 1.0 or in Prometheus' text format
0.0.4. This page is what `memtrace metrics --describe` prints; a test holds the two together.

- **Unknown is absent.** What isn't known has no sample, and is never 0: a counter whose hook
  this kernel lacks, guest statistics of a guest that doesn't tell, a limit that there isn't.
  `memtrace_signal_quality` says which signals are exact, approximate or absent on this host.
- **A VM has two labels**, `name` and `id`: its UUID, or for one without a UUID the process id
  and the moment of its start (`PID@START`). Names are others' text: what isn't fit for a screen
  is replaced, and 128 characters are kept. Of two VMs with one identity the first is told.
- **Counters begin at 0 with each process.** A VM that is restarted keeps its `id`, so that its
  series go on; their counters fall to what the new process has, which `rate()` and `increase()`
  take for what it is, a reset. They do as well when memtrace is restarted. Created timestamps
  there are none: a reset goes unseen only if the new process counts more than the old one had
  within one scrape's interval. `memtrace_vm_info` has the process id, and so tells restarts.
- **Ratios and rates** (`_ratio`, `_per_second`) stand for memtrace's own last interval,
  `memtrace_sample_interval_seconds`. What a scrape could miss between two of them is in the
  counters.
- **A scrape reads the newest sample** and causes none; `memtrace_sample_age_seconds` tells how
  old that is.
";

/// The whole page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let all = table::all();
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
        "\nEach of these has {labels} before the labels in the table. Histograms have buckets up \
         to\n{} and `+Inf`\nseconds: powers of four nanoseconds, at which memtrace's own buckets \
         end too.\n",
        bounds.join(", ")
    );
    page
}

fn section(page: &mut String, title: &str, metrics: &[&Metric]) {
    let _ = write!(page, "\n## {title}\n\n| name | type | labels | what |\n|---|---|---|---|\n");
    for metric in metrics {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match metric.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let (name, labels) = (metric.full_name(), labels.join(", "));
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {} |", metric.help);
    }
}
