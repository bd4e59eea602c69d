//! The `Host` values that a request may have. A web page can make a browser on this host query
//! loopback under a name of its own that resolves to it by now (DNS rebinding), and read the
//! answer.

use std::net::IpAddr;

use hyper::http::uri::Authority;

/// The names of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// A remote client may use any name for it.
    Any,
    /// Of loopback: addresses, `localhost`, and this host's own name.
    Loopback { name: String },
}

impl Hosts {
    pub(super) fn of_loopback() -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self::Loopback { name }
    }

    /// `named`: the host with its port; `None`: the request names none, as no browser's does.
    pub(super) fn has(&self, named: Option<&str>) -> bool {
        let (Self::Loopback { name }, Some(named)) = (self, named) else { return true };
        let Ok(named) = named.parse::<Authority>() else { return false };
        let host = named.host().trim_start_matches('[').trim_end_matches(']');
        let is = |own: &str| host.eq_ignore_ascii_case(own);
        let short = name.split('.').next().unwrap_or_default();
        host.parse::<IpAddr>().is_ok() || is("localhost") || is(name) || is(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_asked_by_its_names_alone() {
        let hosts = Hosts::Loopback { name: "kvm-7.example.org".to_owned() };
        for own in ["127.0.0.1:9435", "[::1]:9435", "localhost", "LocalHost:1", "kvm-7:9435"] {
            assert!(hosts.has(Some(own)), "{own}");
        }
        assert!(hosts.has(Some("kvm-7.example.org")) && hosts.has(None));
        for other in ["evil.example:9435", "127.0.0.1.evil.example", "kvm-8", "", "a b", "kvm"] {
            assert!(!hosts.has(Some(other)), "{other}");
        }
        assert!(Hosts::Any.has(Some("evil.example")));
    }
}
