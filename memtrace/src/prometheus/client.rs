//! The client of Prometheus' HTTP API: GET queries, bounded in time and size.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};

use super::reply::{self, Labels, Lines};
use crate::sys::credentials::Credentials;
use crate::sys::http::{self, Answer, Limits};

/// Maximum size of an answer, in bytes: 1000 hosts take 5 MiB.
const LARGEST: usize = 64 << 20;

/// The address of Prometheus: `http://HOST:PORT[/PATH]`, or `https://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = match text.split_once("://") {
            None => ("http", text),
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
            Some(_) => bail!("http://HOST:PORT or https://HOST:PORT"),
        };
        let rest = rest.trim_end_matches('/');
        let host = rest.split('/').next().unwrap_or_default();
        ensure!(!host.is_empty() && !host.starts_with(':'), "http://HOST:PORT");
        ensure!(
            !host.contains('@'),
            "passwords in the URL are not supported; use --basic-auth-file"
        );
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
        ensure!(!rest.contains(is_odd), "http://HOST:PORT[/PATH]");
        Ok(Self(format!("{scheme}://{rest}")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Prometheus server, or a compatible one.
#[derive(Clone, Debug)]
pub struct Prometheus {
    address: Address,
    credentials: Option<Credentials>,
    pub(crate) limits: Limits,
}

/// A time with points at even distances, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Of the first point and of the last one.
    pub from: u64,
    pub to: u64,
    pub step: u64,
}

impl Prometheus {
    /// `patience`: time limit of one query, from name resolution to the end of the answer.
    pub fn new(address: Address, credentials: Option<Credentials>, patience: Duration) -> Self {
        Self { address, credentials, limits: Limits { patience, largest: LARGEST } }
    }

    /// Instant query.
    ///
    /// # Errors
    /// When there is no valid answer in time.
    pub fn now(&self, query: &str) -> Result<reply::Answer> {
        self.ask("query", &[("query", query)], reply::read)
    }

    /// Range query.
    ///
    /// # Errors
    /// As [`Self::now`].
    pub fn range(&self, query: &str, stretch: Stretch) -> Result<Lines> {
        let Stretch { from, to, step } = stretch;
        let [from, to, step] = [from, to, step].map(|number| number.to_string());
        let asked = [("query", query), ("start", &*from), ("end", &*to), ("step", &*step)];
        self.ask("query_range", &asked, reply::lines)
    }

    /// The labels of all series that match `selector` within the range.
    ///
    /// # Errors
    /// As [`Self::now`].
    pub fn series(&self, selector: &str, from: u64, to: u64) -> Result<Vec<Labels>> {
        let [from, to] = [from, to].map(|number| number.to_string());
        let asked = [("match[]", selector), ("start", &*from), ("end", &*to)];
        self.ask("series", &asked, reply::labels)
    }

    fn ask<T>(
        &self,
        what: &str,
        asked: &[(&str, &str)],
        read: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let url = format!("{}/api/v1/{what}", self.address);
        let answer = self.get(&url, asked, read);
        answer.with_context(|| format!("cannot query Prometheus at {}", self.address))
    }

    fn get<T>(
        &self,
        url: &str,
        asked: &[(&str, &str)],
        read: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let Answer { status, body } =
            http::get(url, asked, self.credentials.as_ref(), self.limits)?;
        match read(&body) {
            // Prometheus' error message is more specific than the status.
            Err(error) if status.is_success() || is_json(&body) => Err(error),
            Err(_) => bail!("HTTP {status}; is this Prometheus?"),
            Ok(_) if !status.is_success() => bail!("HTTP {status}"),
            Ok(answer) => Ok(answer),
        }
    }
}

fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_may_have_a_path() {
        for (text, address) in [
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("http://prometheus:9090/", "http://prometheus:9090"),
            ("[::1]:9090", "http://[::1]:9090"),
            ("http://monitoring/prometheus/", "http://monitoring/prometheus"),
            ("https://mimir.example/prometheus", "https://mimir.example/prometheus"),
        ] {
            assert_eq!(text.parse::<Address>().expect("it is one").to_string(), address);
        }
        let texts = ["", "http://", "https://", "ftp://p", "http://u:p@h", "p:1?x", "p 1", ":1"];
        for text in texts {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
