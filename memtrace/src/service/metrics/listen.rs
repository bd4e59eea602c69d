//! A listener, for scrapes or for readers of samples: a TCP address, or a Unix socket.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use super::host::Hosts;
use crate::sys::address::{Access, Address};
use crate::sys::exit::Misconfigured;
use anyhow::{Context, Result, ensure};
use nix::unistd::Group;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, chownat, fchmod, fstat, open};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, sockopt,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    /// Bytes that may wait in the socket of a client. `None`: the kernel's own limit.
    most_waiting: Option<usize>,
    _place: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Network(TcpListener),
    Path(UnixListener),
}

/// The file of a Unix socket, removed on drop.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
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
    pub(crate) fn open(address: &Address, access: &Access) -> Result<Self> {
        let told = || format!("cannot listen on {address}");
        match address {
            Address::Network(network) => {
                let listener = std::net::TcpListener::bind(network).with_context(told)?;
                listener.set_nonblocking(true).with_context(told)?;
                let listener = TcpListener::from_std(listener).with_context(told)?;
                if !network.ip().is_loopback() {
                    tracing::warn!(
                        "metrics are served on {address}, which is not loopback: anybody who can \
                         connect may read them, without authentication"
                    );
                }
                Ok(Self { socket: Socket::Network(listener), most_waiting: None, _place: None })
            }
            Address::Path(path) => {
                clear(path).with_context(told)?;
                let bound = closed(path).with_context(told)?;
                let place = Some(SocketFile(path.clone()));
                admit(path, access).with_context(told)?;
                listen(&bound, BACKLOG).with_context(told)?;
                let listener = UnixListener::from_std(bound.into()).with_context(told)?;
                Ok(Self { socket: Socket::Path(listener), most_waiting: None, _place: place })
            }
        }
    }

    /// Which hosts requests may name.
    pub(super) fn hosts(&self) -> Hosts {
        let loopback = |address: std::net::SocketAddr| address.ip().is_loopback();
        match &self.socket {
            Socket::Network(listener) if listener.local_addr().is_ok_and(loopback) => {
                Hosts::of_loopback()
            }
            Socket::Network(_) | Socket::Path(_) => Hosts::Any,
        }
    }

    /// Has no more than `bytes` wait for a client that doesn't read, of a Unix socket.
    pub(crate) const fn limit_waiting(&mut self, bytes: usize) {
        self.most_waiting = Some(bytes);
    }

    pub(crate) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.socket {
            Socket::Network(listener) => Box::new(listener.accept().await?.0),
            Socket::Path(listener) => {
                let (stream, _) = listener.accept().await?;
                if let Some(bytes) = self.most_waiting {
                    sockopt::set_socket_send_buffer_size(&stream, bytes)?;
                }
                Box::new(stream)
            }
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

/// A socket at `path` that no client can connect to yet, whatever the umask: its file gets the
/// socket's permissions (net/unix/af_unix.c).
fn closed(path: &Path) -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Gives the socket at `path` its group and mode.
fn admit(path: &Path, access: &Access) -> Result<()> {
    // The file itself: others may be able to put a link in its place.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    let is_socket = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Socket;
    ensure!(is_socket, "something else is in its place");
    if let Some(group) = &access.group {
        let number = Gid::from_raw(group_number(group)?);
        chownat(&file, "", None, Some(number), AtFlags::EMPTY_PATH)
            .with_context(|| format!("cannot give it to the group {group:?}"))?;
    }
    let mode = std::fs::Permissions::from_mode(access.mode.0);
    std::fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), mode)?;
    Ok(())
}

/// The number of a group.
///
/// # Errors
/// [`Misconfigured`], where there is no such group.
pub(crate) fn group_number(group: &str) -> Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let found = Group::from_name(group)?;
    let missing = || Misconfigured(format!("metrics.socket_group: there is no group {group:?}"));
    Ok(found.ok_or_else(missing)?.gid.as_raw())
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
    use std::os::unix::net::UnixListener as StdUnixListener;

    use super::*;
    use crate::sys::address::SocketMode;

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
        let access = Access::default();
        let first = Listener::open(&":0".parse().unwrap(), &access).expect("there is a port");
        let error =
            Listener::open(&Address::Network(first.address()), &access).expect_err("it is taken");
        let error = format!("{error:#}");
        assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
        assert!(error.contains("in use"), "{error}");

        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("metrics.sock");
        let address = Address::Path(path.clone());
        let listener = Listener::open(&address, &access).expect("it is free");
        assert!(Listener::open(&address, &access).is_err(), "one at a time");
        drop(listener);
        assert!(!path.exists());
        // As after a kill.
        drop(StdUnixListener::bind(&path).expect("it is free"));
        assert!(path.exists());
        drop(Listener::open(&address, &access).expect("the socket is stale"));
        std::fs::write(&path, "kept").expect("there is room");
        assert!(Listener::open(&address, &access).is_err(), "no file is removed for it");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"kept");
    }

    #[tokio::test]
    async fn a_socket_has_the_group_and_the_mode_of_the_configuration() {
        use std::os::unix::fs::MetadataExt;

        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("metrics.sock");
        let address = Address::Path(path.clone());
        let own = std::fs::metadata(folder.path()).expect("it is there").gid();
        for (group, mode, then) in [
            (None, 0o660, own),
            (Some(own.to_string()), 0o666, own),
            (Some(own.to_string()), 0o600, own),
        ] {
            let access = Access { group, mode: SocketMode(mode) };
            let listener = Listener::open(&address, &access).expect("it is free");
            let found = std::fs::metadata(&path).expect("it is there");
            assert_eq!((found.mode() & 0o7777, found.gid()), (mode, then));
            drop(listener);
        }
        let group = Some("no-such-group".to_owned());
        let error =
            Listener::open(&address, &Access { group, ..Access::default() }).expect_err("no group");
        let error = format!("{error:#}");
        assert!(error.contains("there is no group \"no-such-group\""), "{error}");
        assert!(!path.exists(), "nothing is left");
    }

    #[tokio::test]
    async fn hosts_are_checked_on_loopback_alone() {
        let hosts = |address: &str| {
            let address = address.parse().expect("an address");
            Listener::open(&address, &Access::default()).expect("there is a port").hosts()
        };
        assert!(!hosts(":0").has(Some("evil.example")));
        assert!(hosts("0.0.0.0:0").has(Some("evil.example")));
    }
}
