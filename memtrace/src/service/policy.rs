//! The policy for the host that memtrace runs on.

use anyhow::Result;
use memtrace_core::policy::{Capabilities, Memtrace, Policy, Rules};
use memtrace_core::reactor::taken;
use memtrace_core::sample::{Sample, Topic};
use memtrace_core::source::Source as _;
use memtrace_host::live::LiveSource;
use memtrace_store::journal::Recovered;

use crate::config::Config;

/// The policy for the capabilities in the host's first sample, with the memory taken by an earlier
/// run.
///
/// # Errors
/// When the host can't be sampled.
pub fn policy(
    source: &mut LiveSource,
    config: &Config,
    recovered: &Recovered,
) -> Result<Box<dyn Policy + Send>> {
    source.configure(&config.rules.vms);
    if let Some(cgroup) = &config.scope {
        source.within(cgroup);
    }
    let sample = source.sample(None)?;
    for notice in sample.notices.iter().filter(|notice| notice.about == Topic::Scope) {
        tracing::warn!("scope: {}", notice.text);
    }
    let rules = rules(config, &sample);
    let taken = taken(&recovered.holdings, &recovered.in_flight, &sample);
    Ok(Box::new(Memtrace::resume(rules, sample.at, &taken)))
}

/// The policy for the capabilities in this first sample, with nothing taken.
pub fn fresh(config: &Config, first: &Sample) -> Box<dyn Policy + Send> {
    Box::new(Memtrace::resume(rules(config, first), first.at, &[]))
}

/// The policy's rules for the host of this first sample.
pub fn rules(config: &Config, first: &Sample) -> Rules {
    Rules { capabilities: Capabilities::of(first), ..config.rules.clone() }
}
