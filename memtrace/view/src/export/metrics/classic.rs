//! Converts OpenMetrics text to the Prometheus text format 0.0.4. The samples are the same; it has
//! no units and no EOF line, names counters like their samples, and has no info type.
//! (prometheus.io/docs/instrumenting/exposition_formats, and OpenMetrics 1.0.)

use std::collections::HashMap;
use std::fmt::Write as _;

use super::catalogue;
use super::table::{Metric, MetricKind};

pub(super) fn of(text: &str) -> String {
    let all = catalogue::all();
    let families: HashMap<String, &Metric> =
        all.iter().map(|metric| (metric.family(), metric)).collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            classic.push_str(line);
            classic.push('\n');
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (keyword, family) = (words.next(), words.next().unwrap_or_default());
        let Some(metric) = families.get(family) else { continue };
        let name = metric.full_name();
        // Writing to a string doesn't fail.
        let _ = match keyword {
            Some("HELP") => writeln!(classic, "# HELP {name} {}", metric.help),
            Some("TYPE") => writeln!(classic, "# TYPE {name} {}", word(metric.kind)),
            _ => Ok(()),
        };
    }
    classic
}

const fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge | MetricKind::Info => "gauge",
        MetricKind::Counter => "counter",
        MetricKind::Histogram => "histogram",
    }
}
