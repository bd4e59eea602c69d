//! What a running memtrace tells scrapers, read as one: over the network of this host, through
//! its socket, or from the file that it writes. Bounded in time and size.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};

use crate::metrics::Address;

/// For each step of it; an agent waits 3 s for all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of 4096 VMs with a hundred series each.
const LARGEST: u64 = 128 << 20;

/// Where metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Listener(Address),
    /// As `memtrace metrics --textfile` writes it.
    File(PathBuf),
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::File(text.into()));
        }
        let told = "ADDRESS:PORT, :PORT of this host, unix:/PATH, or /FILE.prom";
        text.parse().map(Self::Listener).map_err(|_| Error::msg(told))
    }
}

impl fmt::Display for Place {
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
/// When nobody answers there, not in time, or with something else.
pub fn read(place: &Place) -> Result<String> {
    let text = match place {
        Place::Listener(Address::Network(address)) => {
            TcpStream::connect_timeout(address, PATIENCE).map_err(Error::from).and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                ask(stream)
            })
        }
        Place::Listener(Address::Path(path)) => {
            UnixStream::connect(path).map_err(Error::from).and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                ask(stream)
            })
        }
        Place::File(path) => File::open(path).map_err(Error::from).and_then(whole),
    };
    text.with_context(|| format!("cannot read memtrace's metrics from {place}"))
}

/// By HTTP/1.0 (RFC 1945), in which an answer ends with the connection.
fn ask(mut stream: impl Read + Write) -> Result<String> {
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let answer = whole(stream)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("this is no answer of HTTP")?;
    let first = head.lines().next().unwrap_or_default();
    let status = first.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("HTTP {status}: {}", body.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

fn whole(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(LARGEST + 1).read_to_string(&mut text)?;
    ensure!(text.len() as u64 <= LARGEST, "it is larger than {} MiB", LARGEST >> 20);
    Ok(text)
}
