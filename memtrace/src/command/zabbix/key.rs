//! Item keys and their values: metrics of docs/metrics.md without prefix, and label values after
//! colons (`vm_faults_total:guest`). Pure.

use std::collections::BTreeMap;

use serde_json::json;

use crate::command::scraped::{self, labels, plain};
use memtrace_core::sample::VmLabels;
use memtrace_view::export::metrics::catalogue;
use memtrace_view::export::metrics::parse::Sample;
use memtrace_view::export::metrics::table::{Metric, MetricKind, PREFIX, VM_LABELS};

/// Labels with one current value: a key without it returns that value.
const ONE_OF: [&str; 2] = ["state", "quality"];

/// A parsed key.
#[derive(Clone, Debug)]
pub struct Key {
    metric: Metric,
    /// Of its samples.
    name: String,
    /// Of its labels, in their order; maybe not all.
    values: Vec<String>,
}

impl Key {
    /// # Errors
    /// The error message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let typed = parts.next().unwrap_or_default();
        let mut values: Vec<String> = parts.map(str::to_owned).collect();
        let name = match typed.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_')) {
            Some(_) => typed.to_owned(),
            None => format!("{PREFIX}_{typed}"),
        };
        let metric = catalogue::all()
            .into_iter()
            .find(|metric| metric.full_name() == name)
            .ok_or_else(|| format!("unknown metric {typed}; see memtrace metrics --describe"))?;
        let mut key = Self { metric, name, values: Vec::new() };
        if key.metric.kind == MetricKind::Histogram {
            let part = if values.is_empty() { String::new() } else { values.remove(0) };
            if !["count", "sum"].contains(&part.as_str()) {
                return Err(format!("{typed}:count or {typed}:sum"));
            }
            key.name = format!("{}_{part}", key.name);
        }
        let labels = key.metric.labels;
        if values.len() > labels.len() {
            return Err(format!("{typed} has {} labels", labels.len()));
        }
        let is_label = |value: &String| labels.contains(&value.as_str());
        match key.metric.kind {
            MetricKind::Info if values.len() != 1 || !values.iter().all(is_label) => {
                return Err(format!("{typed}:LABEL, of {}", labels.join(", ")));
            }
            MetricKind::Info => {}
            _ if values.len() == labels.len() => {}
            _ if values.len() + 1 == labels.len() && key.is_word(labels) => {}
            _ => return Err(format!("{typed} requires labels {}", labels.join(", "))),
        }
        key.values = values;
        Ok(key)
    }

    /// The label whose current value is returned, if the last label isn't given.
    fn is_word(&self, labels: &[&str]) -> bool {
        labels.last().is_some_and(|label| ONE_OF.contains(label))
    }

    pub const fn is_of_vm(&self) -> bool {
        self.metric.is_of_vm()
    }

    /// Whether its value is a word.
    pub fn is_text(&self) -> bool {
        self.metric.kind == MetricKind::Info || self.values.len() < self.metric.labels.len()
    }

    /// Whether it only grows.
    #[cfg(test)]
    pub fn is_counter(&self) -> bool {
        matches!(self.metric.kind, MetricKind::Counter | MetricKind::Histogram)
    }

    /// Its value, of the host or of `vm`: a name, what its platform calls it, a UUID, or
    /// `PID@START` (`:` for `@`, which agents refuse).
    ///
    /// # Errors
    /// Why there is none.
    pub fn value(&self, samples: &[Sample], vm: Option<&str>) -> Result<String, String> {
        let whose = match (vm, self.is_of_vm()) {
            (None, true) => return Err("a VM metric requires a VM".to_owned()),
            (Some(_), false) => return Err("a host metric takes no VM".to_owned()),
            (None, false) => None,
            (Some(vm), true) => {
                Some(scraped::vm(samples, vm).map_err(|error| error.to_string())?.0)
            }
        };
        let of_it = |sample: &&Sample| {
            sample.name == self.name
                && whose.as_ref().is_none_or(|id| sample.labels.get(VM_LABELS[1]) == Some(id))
        };
        let unknown = || "unknown on this host; see memtrace doctor".to_owned();
        let mut found = samples.iter().filter(of_it);
        if self.metric.kind == MetricKind::Info {
            let sample = found.next().ok_or_else(unknown)?;
            let text = self.values.first().and_then(|label| sample.labels.get(label));
            return text.cloned().ok_or_else(unknown);
        }
        let given = |sample: &&Sample| {
            let pairs = self.metric.labels.iter().zip(&self.values);
            pairs.into_iter().all(|(label, value)| sample.labels.get(*label) == Some(value))
        };
        if self.is_text() {
            let last = self.metric.labels.last().copied().unwrap_or_default();
            let holds = found.filter(given).find(|sample| sample.value > 0.0);
            return holds.and_then(|one| one.labels.get(last).cloned()).ok_or_else(unknown);
        }
        found.find(given).map(|sample| sample.value.to_string()).ok_or_else(unknown)
    }
}

/// Low-level discovery: a list of objects, as Zabbix 4.2 and later have it.
pub fn discovery(samples: &[Sample]) -> String {
    let macros = [("vmm", "{#VM.VMM}"), ("accelerator", "{#VM.ACCELERATOR}")];
    let infos = samples.iter().filter(|sample| sample.name == "memtrace_vm_info");
    let called = labels(samples);
    let rows = infos.filter_map(|info| {
        let label = |name: &str| info.labels.get(name).cloned();
        let mut row: BTreeMap<&str, String> = BTreeMap::new();
        let (name, id) = (label(VM_LABELS[0])?, label(VM_LABELS[1])?);
        let title = called.get(&*id).and_then(VmLabels::title);
        row.insert("{#VM.TITLE}", title.unwrap_or_else(|| name.clone()));
        row.insert("{#VM.NAME}", name);
        row.insert("{#VM.ID}", plain(&id));
        for (name, as_macro) in macros {
            row.insert(as_macro, label(name).unwrap_or_default());
        }
        Some(row)
    });
    format!("{}\n", json!(rows.collect::<Vec<_>>()))
}
