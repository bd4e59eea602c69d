//! Reads the metrics of a running memtrace: over TCP, a Unix socket, or from a textfile. Bounded in
//! time and size. The only user of hyper's client: ureq, the client elsewhere, has no stable interface
//! for Unix sockets.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::sys::address::Address;
use crate::sys::runtime;
use memtrace_core::text::clean;
use memtrace_store::regular;

/// Total time limit; an agent's is 3 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// Maximum size: 4096 VMs with 100 series each.
const LARGEST: usize = 128 << 20;

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
        let told = "ADDRESS:PORT, :PORT (loopback), unix:/PATH, or /FILE.prom";
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
/// When there is no valid answer in time.
pub fn read(place: &Place) -> Result<String> {
    let text = match place {
        Place::Listener(address) => ask(address),
        Place::File(path) => whole(path),
    };
    text.with_context(|| format!("cannot read memtrace's metrics from {place}"))
}

fn whole(path: &Path) -> Result<String> {
    let mut text = String::new();
    regular::open_or_inherited(path)?.take(LARGEST as u64 + 1).read_to_string(&mut text)?;
    ensure!(text.len() <= LARGEST, too_large());
    Ok(text)
}

fn ask(address: &Address) -> Result<String> {
    let runtime = runtime::current_thread()?;
    let answer = runtime.block_on(async {
        let asked = async {
            match address {
                Address::Network(address) => get(TcpStream::connect(address).await?).await,
                Address::Path(path) => get(UnixStream::connect(path).await?).await,
            }
        };
        timeout(PATIENCE, asked).await
    });
    answer.map_err(|_| anyhow!("no answer within {} s", PATIENCE.as_secs()))?
}

async fn get(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<String> {
    let (mut send, connection) = handshake(TokioIo::new(stream)).await?;
    // Drives the connection; errors are reported by the request below.
    let carried = tokio::spawn(connection);
    let request = Request::get("/metrics").header(HOST, "localhost");
    let answer = send.send_request(request.body(Empty::<Bytes>::new())?).await;
    let text = body(answer.map_err(told)?).await;
    carried.abort();
    text
}

async fn body(answer: Response<hyper::body::Incoming>) -> Result<String> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => Error::msg(too_large()),
        Err(_) => anyhow!("incomplete answer"),
    })?;
    let text = String::from_utf8(body.to_bytes().into())?;
    if status != StatusCode::OK {
        bail!("HTTP {}: {}", status.as_u16(), clean(text.lines().next().unwrap_or_default()));
    }
    Ok(text)
}

fn told(error: hyper::Error) -> Error {
    if error.is_parse() { Error::msg("not an HTTP answer") } else { error.into() }
}

fn too_large() -> String {
    format!("larger than {} MiB", LARGEST >> 20)
}
