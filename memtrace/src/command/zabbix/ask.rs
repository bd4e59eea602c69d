//! Reads the metrics of a running memtrace: over TCP, a Unix socket, or from a textfile. Bounded in
//! time and size.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use hyper::StatusCode;

use crate::sys::address::Address;
use crate::sys::http::{self, Answer, Limits};
use memtrace_core::text::clean;
use memtrace_store::regular;

/// An agent's time limit is 3 s; 4096 VMs have 100 series each.
const LIMITS: Limits = Limits { patience: Duration::from_secs(2), largest: 128 << 20 };

/// Where metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsSource {
    Listener(Address),
    /// As `memtrace metrics --textfile` writes it.
    File(PathBuf),
}

impl FromStr for MetricsSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::File(text.into()));
        }
        let told = "ADDRESS:PORT, :PORT (loopback), unix:/PATH, or /FILE.prom";
        text.parse().map(Self::Listener).map_err(|_| Error::msg(told))
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

/// The metrics as text.
///
/// # Errors
/// When there is no valid answer in time.
pub fn read(place: &MetricsSource) -> Result<String> {
    let text = match place {
        MetricsSource::Listener(address) => ask(address),
        MetricsSource::File(path) => whole(path),
    };
    text.with_context(|| format!("cannot read memtrace's metrics from {place}"))
}

fn whole(path: &Path) -> Result<String> {
    let mut text = String::new();
    let most = LIMITS.largest as u64 + 1;
    regular::open_or_inherited(path)?.take(most).read_to_string(&mut text)?;
    ensure!(text.len() <= LIMITS.largest, "larger than {} MiB", LIMITS.largest >> 20);
    Ok(text)
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
