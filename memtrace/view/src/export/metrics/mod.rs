//! A snapshot as Prometheus metrics: OpenMetrics 1.0, and the older text format that
//! node_exporter's textfile collector and promtool read. Pure.
//!
//! `prometheus-client` writes OpenMetrics, without created timestamps (only its native histograms
//! have them) and state sets (gauges of 0 and 1 are used). The older format differs only in the
//! comments ([`classic`]).

mod classic;
mod counted;
mod encode;
mod host;
mod own;
pub mod page;
pub mod parse;
mod policy;
mod read;
pub mod table;
#[cfg(test)]
mod tests;
mod vm;

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::reactor::Decided;
use memtrace_core::units::{Bytes, WallNanos};

/// Maximum number of VMs, with about 100 series each; the eBPF map has as many slots.
pub const MOST_VMS: usize = 4096;

/// The text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Classic,
}

impl Form {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The input of the metrics, and the time of the request.
#[derive(Clone, Debug)]
pub struct Scene {
    snapshot: Arc<Snapshot>,
    decided: Decided,
    page_size: Bytes,
    now: WallNanos,
    /// Indices into the snapshot's list.
    shown: Vec<usize>,
}

impl Scene {
    /// `page_size`: of the base pages that the counters count.
    pub fn new(
        snapshot: Arc<Snapshot>,
        decided: Decided,
        page_size: Bytes,
        now: WallNanos,
    ) -> Self {
        let shown = shown(&snapshot.vms);
        Self { snapshot, decided, page_size, now, shown }
    }

    fn vms(&self) -> impl Iterator<Item = &VmView> {
        self.shown.iter().filter_map(|index| self.snapshot.vms.get(*index))
    }

    /// The number of VMs left out.
    fn omitted(&self) -> usize {
        self.snapshot.vms.len().saturating_sub(self.shown.len())
    }
}

/// The first VM of each identity: duplicate series would fail the whole scrape.
fn shown(vms: &[VmView]) -> Vec<usize> {
    let mut known = HashSet::new();
    let all = vms.iter().enumerate().filter(|(_, vm)| known.insert(vm.id));
    all.map(|(index, _)| index).take(MOST_VMS).collect()
}

/// All metrics with a known value.
///
/// # Errors
/// If encoding fails, which isn't expected.
pub fn text(scene: Scene, form: Form) -> Result<String> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(encode::Everything(scene)));
    let mut text = String::new();
    encode(&mut text, &registry).context("cannot write the metrics")?;
    Ok(match form {
        Form::OpenMetrics => text,
        Form::Classic => classic::of(&text),
    })
}
