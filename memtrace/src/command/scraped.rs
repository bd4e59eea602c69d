//! The metrics of a running memtrace, for commands that then need no privileges: over TCP, a Unix
//! socket, or from a textfile. Bounded in time and size.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use hyper::StatusCode;

use crate::sys::address::Address;
use crate::sys::http::{self, Answer, Limits};
use memtrace_core::sample::VmLabels;
use memtrace_core::text::clean;
use memtrace_core::vm_choice::{Candidate, NoSuchVm, choose};
use memtrace_host::clock;
use memtrace_store::regular;
use memtrace_view::export::metrics::parse::{LABELS, Sample, labels_of, samples};
use memtrace_view::export::metrics::table::VM_LABELS;

/// An agent's time limit is 3 s; 4096 VMs have 100 series each.
const LIMITS: Limits = Limits { patience: Duration::from_secs(2), largest: 128 << 20 };

/// Where metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsSource {
    Listener(Address),
    /// As `memtrace exporter --textfile` keeps it.
    File(PathBuf),
}

impl FromStr for MetricsSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::File(text.into()));
        }
        let told = "ADDRESS:PORT, :PORT (loopback), unix:/PATH, or /FILE.prom";
        // As it is scraped.
        let url = text.strip_prefix("http://").filter(|url| !url.starts_with("unix:"));
        let address = url.map(|url| url.trim_end_matches('/'));
        let address = address.map(|url| url.strip_suffix("/metrics").unwrap_or(url));
        address.unwrap_or(text).parse().map(Self::Listener).map_err(|_| Error::msg(told))
    }
}

impl fmt::Display for MetricsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(address) => address.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Maximum age of samples in a file, which a timer may write; the limit of the alert rules.
const STALE: f64 = 120.0;
/// Of one that answers, which samples all the time: so many intervals, and some seconds at least,
/// as a busy host delays some.
const INTERVALS: f64 = 3.0;
const LEAST: f64 = 10.0;

/// The samples in the text of a page of memtrace's metrics. `place`: whence it is, `None` for one
/// of this process.
///
/// # Errors
/// When they are old, or not memtrace's.
pub fn fresh(text: &str, place: Option<&MetricsSource>) -> Result<Vec<Sample>> {
    let all: Vec<Sample> = samples(text).collect();
    let answers = matches!(place, Some(MetricsSource::Listener(_)));
    of_now(&all, answers, clock::wall().0 as f64 / 1e9)?;
    Ok(all)
}

fn of_now(samples: &[Sample], answers: bool, now: f64) -> Result<()> {
    let value = |name| samples.iter().find(|sample| sample.name == name).map(|found| found.value);
    let Some(at) = value("memtrace_sample_timestamp_seconds") else {
        bail!("no metrics of memtrace");
    };
    let interval = value("memtrace_sample_interval_seconds").filter(|_| answers);
    let most = interval.map_or(STALE, |interval| (INTERVALS * interval).clamp(LEAST, STALE));
    let age = now - at;
    ensure!(age <= most, "the newest sample is {age:.0} s old");
    Ok(())
}

/// The metrics as text.
///
/// # Errors
/// When there is no valid answer in time.
pub fn read(place: &MetricsSource) -> Result<String> {
    let text = match place {
        MetricsSource::Listener(address) => ask(address),
        MetricsSource::File(path) => {
            regular::text(path, LIMITS.largest as u64).map_err(Error::from)
        }
    };
    text.with_context(|| format!("cannot read memtrace's metrics from {place}"))
}

fn ask(address: &Address) -> Result<String> {
    let Answer { status, body } = match address {
        Address::Network(address) => {
            http::get(&format!("http://{address}/metrics"), &[], None, LIMITS)?
        }
        Address::Path(path) => http::get_from_socket(path, "/metrics", LIMITS)?,
    };
    let text = String::from_utf8(body)?;
    if status != StatusCode::OK {
        bail!("HTTP {}: {}", status.as_u16(), clean(text.lines().next().unwrap_or_default()));
    }
    Ok(text)
}

/// The VM that is meant: its identity in labels, and its name.
///
/// # Errors
/// When there is none, or several are called so.
pub fn vm(samples: &[Sample], typed: &str) -> Result<(String, String), NoSuchVm> {
    let (all, called) = (vms(samples).collect::<Vec<_>>(), labels(samples));
    let chosen = choose(typed, &all, |(id, name)| {
        let labels = called.get(id);
        let id = if *id == typed { typed.to_owned() } else { plain(id) };
        Candidate { name, id: Some(id), labels }
    });
    chosen.map(|(id, name)| ((*id).to_owned(), (*name).to_owned()))
}

/// What VMs are called, by their identities.
pub fn labels(samples: &[Sample]) -> HashMap<&str, VmLabels> {
    let infos = samples.iter().filter(|sample| sample.name == LABELS);
    let called = infos.filter_map(|info| {
        let label = |name: &str| info.labels.get(name).map(String::as_str);
        Some((label(VM_LABELS[1])?, labels_of(label)))
    });
    called.collect()
}

fn vms(samples: &[Sample]) -> impl Iterator<Item = (&str, &str)> {
    let infos = samples.iter().filter(|sample| sample.name == "memtrace_vm_info");
    infos.filter_map(|info| {
        let label = |name: &str| info.labels.get(name).map(String::as_str);
        Some((label(VM_LABELS[1])?, label(VM_LABELS[0])?))
    })
}

/// An identity as a parameter of an item: Zabbix' agents refuse some characters
/// (UnsafeUserParameters).
pub fn plain(id: &str) -> String {
    id.replace('@', ":")
}

#[cfg(test)]
mod tests;
