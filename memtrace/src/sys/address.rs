//! Listen addresses: TCP, or a Unix socket.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

/// Parses `127.0.0.1:9435`, `[::1]:9435`, `:9435` (loopback), or
/// `unix:/run/memtrace/metrics.sock`. Host names are not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Network(SocketAddr),
    Path(PathBuf),
}

/// Who may connect to a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// By name or number; `None`: memtrace's own.
    pub group: Option<String>,
    pub mode: SocketMode,
}

/// Permissions of a socket, in octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl Default for Access {
    fn default() -> Self {
        Self { group: None, mode: SocketMode(0o660) }
    }
}

impl FromStr for SocketMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Self).context("permissions in octal digits, as in \"0660\"")
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            ensure!(path.starts_with('/'), "unix:/PATH, which begins with `/`");
            return Ok(Self::Path(path.into()));
        }
        let loopback = text.strip_prefix(':').and_then(|port| port.parse().ok());
        match loopback.map(|port: u16| (Ipv4Addr::LOCALHOST, port).into()) {
            Some(address) => Ok(Self::Network(address)),
            None => text.parse().map(Self::Network).ok().with_context(
                || "ADDRESS:PORT (127.0.0.1:9435), :PORT (loopback only), or unix:/PATH",
            ),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
