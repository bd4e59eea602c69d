//! A snapshot as Prometheus metrics: OpenMetrics 1.0, and the older text format that
//! node_exporter's textfile collector and promtool read. Pure.
//!
//! `prometheus-client` writes OpenMetrics, without created timestamps (only its native histograms
//! have them) and state sets (gauges of 0 and 1 are used). The older format differs only in the
//! comments ([`classic`]).

pub mod catalogue;
mod classic;
mod counted;
mod encode;
mod host;
mod own;
pub mod page;
pub mod parse;
mod policy;
mod quality;
mod read;
mod scene;
pub mod table;
#[cfg(test)]
mod tests;
mod vm;

use anyhow::{Context, Result};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub use scene::{MOST_VMS, Scene};

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
