//! A snapshot as metrics for Prometheus and its like: OpenMetrics 1.0, and the older text format
//! that node_exporter's textfile collector and promtool read. Pure.
//!
//! `prometheus-client` writes the lines. What it has no form for is done without: created
//! timestamps (only its native histograms have them) and state sets (ordinary gauges of 0 and 1
//! stand for them). The older format, which it doesn't write either, differs in the comments
//! alone ([`classic`]).

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

/// Most VMs that are told of: about a hundred series each. The kernel side has no more rows.
pub const MOST_VMS: usize = 4096;

/// How the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
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

/// What is told of, and when it is asked for.
#[derive(Clone, Debug)]
pub struct Scene {
    snapshot: Arc<Snapshot>,
    decided: Decided,
    page_size: Bytes,
    now: WallNanos,
    /// Places in the snapshot's list.
    shown: Vec<usize>,
}

impl Scene {
    /// `page_size`: of the base pages that the counters are in.
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

    /// How many VMs are left out.
    fn omitted(&self) -> usize {
        self.snapshot.vms.len().saturating_sub(self.shown.len())
    }
}

/// The first VM of each identity: two series with the same labels would cost the whole scrape.
fn shown(vms: &[VmView]) -> Vec<usize> {
    let mut known = HashSet::new();
    let all = vms.iter().enumerate().filter(|(_, vm)| known.insert(vm.id));
    all.map(|(index, _)| index).take(MOST_VMS).collect()
}

/// All metrics of which something is known.
///
/// # Errors
/// None that is known: all of a snapshot can be written.
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
