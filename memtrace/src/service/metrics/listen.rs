//! The listener for scrapes: a TCP address, or a Unix socket.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};

use crate::sys::address::Address;
use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    _place: Option<Place>,
}

#[derive(Debug)]
enum Socket {
    Network(TcpListener),
    Path(UnixListener),
}

/// The file of a Unix socket, removed on drop.
#[derive(Debug)]
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // The next start removes it, if necessary.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A client connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// Binds the listener. Needs a runtime.
    ///
    /// # Errors
    /// When the address is in use, or can't be bound.
    pub(crate) fn open(address: &Address) -> Result<Self> {
        let told = || format!("cannot listen on {address} for scrapes");
        match address {
            Address::Network(network) => {
                let listener = std::net::TcpListener::bind(network).with_context(told)?;
                listener.set_nonblocking(true).with_context(told)?;
                let listener = TcpListener::from_std(listener).with_context(told)?;
                Ok(Self { socket: Socket::Network(listener), _place: None })
            }
            Address::Path(path) => {
                clear(path).with_context(told)?;
                let listener = StdUnixListener::bind(path).with_context(told)?;
                let place = Some(Place(path.clone()));
                listener.set_nonblocking(true).with_context(told)?;
                let listener = UnixListener::from_std(listener).with_context(told)?;
                Ok(Self { socket: Socket::Path(listener), _place: place })
            }
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.socket {
            Socket::Network(listener) => Box::new(listener.accept().await?.0),
            Socket::Path(listener) => Box::new(listener.accept().await?.0),
        })
    }

    /// The bound address, with the port that the kernel chose.
    #[cfg(test)]
    pub(super) fn address(&self) -> std::net::SocketAddr {
        match &self.socket {
            Socket::Network(listener) => listener.local_addr().expect("it is bound"),
            Socket::Path(_) => panic!("a path"),
        }
    }
}

/// Removes a stale socket of a killed process; nothing else.
fn clear(path: &Path) -> io::Result<()> {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && StdUnixStream::connect(path).is_err_and(refused) {
        return std::fs::remove_file(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_port_alone_is_of_this_host() {
        for text in ["127.0.0.1:9435", "[::1]:9435", "0.0.0.0:80", "unix:/run/m.sock"] {
            let address: Address = text.parse().expect("it is an address");
            assert_eq!(address.to_string(), text);
        }
        let short: Address = ":9435".parse().expect("it is an address");
        assert_eq!(short.to_string(), "127.0.0.1:9435");
        for wrong in ["", "9435", "localhost:9435", "127.0.0.1", ":99999", "unix:", "unix:a"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_place_that_is_taken_is_refused_and_one_that_was_left_behind_is_not() {
        let first = Listener::open(&":0".parse().unwrap()).expect("there is a port");
        let error = Listener::open(&Address::Network(first.address())).expect_err("it is taken");
        let error = format!("{error:#}");
        assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
        assert!(error.contains("in use"), "{error}");

        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("metrics.sock");
        let address = Address::Path(path.clone());
        let listener = Listener::open(&address).expect("it is free");
        assert!(Listener::open(&address).is_err(), "one at a time");
        drop(listener);
        assert!(!path.exists());
        // As after a kill.
        drop(StdUnixListener::bind(&path).expect("it is free"));
        assert!(path.exists());
        drop(Listener::open(&address).expect("the socket is stale"));
        std::fs::write(&path, "kept").expect("there is room");
        assert!(Listener::open(&address).is_err(), "no file is removed for it");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"kept");
    }
}
