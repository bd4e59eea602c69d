//! Asking the real programs by HTTP, bounded in time and size, and past any proxy.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

const PATIENCE: Duration = Duration::from_secs(10);
/// What changes something takes longer.
const POST_PATIENCE: Duration = Duration::from_secs(60);
const LARGEST: u64 = 32 << 20;
/// Below those that the kernel gives to outgoing connections.
const PORTS: Range<u16> = 20_000..32_000;
static NEXT: AtomicU16 = AtomicU16::new(PORTS.start);

/// What is served at `url`, asked with these parameters.
///
/// # Errors
/// When it isn't served, or not in time.
pub fn text(url: &str, parameters: &[(&str, &str)]) -> Result<String> {
    let (status, body) = get(url, parameters)?;
    ensure!(status == 200, "{url}: HTTP {status}: {}", body.trim());
    Ok(body)
}

/// The same of Prometheus' HTTP API: the `data` of a good answer.
///
/// # Errors
/// As [`text`], and when the answer is an error or has warnings.
pub fn data(url: &str, parameters: &[(&str, &str)]) -> Result<Value> {
    let (_, body) = get(url, parameters)?;
    let mut answer: Value = serde_json::from_str(&body).with_context(|| url.to_owned())?;
    if answer["status"] != "success" {
        bail!("{url}: {}", answer["error"]);
    }
    ensure!(answer.get("warnings").is_none(), "{url}: {}", answer["warnings"]);
    Ok(answer["data"].take())
}

/// What is answered to `body`, which is of the given type.
///
/// # Errors
/// As [`text`].
pub fn post(url: &str, kind: &str, body: &str) -> Result<String> {
    let response = agent(POST_PATIENCE).post(url).content_type(kind).send(body);
    let (status, body) = read(response).with_context(|| url.to_owned())?;
    ensure!(status == 200, "{url}: HTTP {status}: {}", body.trim());
    Ok(body)
}

fn get(url: &str, parameters: &[(&str, &str)]) -> Result<(u16, String)> {
    let request = agent(PATIENCE).get(url).query_pairs(parameters.iter().copied());
    read(request.call()).with_context(|| url.to_owned())
}

fn agent(patience: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(patience)).proxy(None);
    config.http_status_as_error(false).max_redirects(0).build().new_agent()
}

fn read(response: Result<Response<Body>, ureq::Error>) -> Result<(u16, String)> {
    let mut response = response?;
    let body = response.body_mut().with_config().limit(LARGEST).read_to_string();
    Ok((response.status().as_u16(), body?))
}

/// A free port of this address that is never returned twice; outside of the range for outgoing
/// connections, and valid for Zabbix' agent.
///
/// # Errors
/// When there is none.
pub fn free(address: IpAddr) -> Result<SocketAddr> {
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        ensure!(PORTS.contains(&port), "{address} has no port that is free");
        if TcpListener::bind((address, port)).is_ok() {
            return Ok((address, port).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_even_if_unused() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (one, other) = (free(address).unwrap(), free(address).unwrap());
        assert_ne!(one, other);
        let taken = TcpListener::bind(other).unwrap();
        NEXT.store(other.port(), Ordering::Relaxed);
        assert_ne!(free(address).unwrap(), other);
        drop(taken);
    }
}
