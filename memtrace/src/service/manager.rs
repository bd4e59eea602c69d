//! Notifications to the service manager (sd_notify(3), systemd.service(5)): readiness, status, and
//! the watchdog, which restarts a hung loop.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use memtrace_host::clock::monotonic;

/// Intervals that the loop may be late before it counts as hung.
const LATE: u32 = 3;

/// The socket of the service manager; none if memtrace isn't a service.
#[derive(Debug, Default)]
pub struct Service {
    socket: Option<UnixDatagram>,
    /// Watchdog timeout.
    watchdog: Option<Duration>,
    status: String,
}

impl Service {
    /// From the environment.
    pub fn of_environment() -> Self {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| is_ours).map(Duration::from_micros);
        match connect(&address) {
            Ok(socket) => Self { socket: Some(socket), watchdog, status: String::new() },
            Err(error) => {
                tracing::warn!("cannot notify the service manager: {error}");
                Self::default()
            }
        }
    }

    /// Ready, with this sampling interval; the watchdog timeout is raised above it.
    pub fn ready(&mut self, interval: Duration) {
        let needed = interval.saturating_mul(LATE);
        match self.watchdog {
            Some(watchdog) if watchdog < needed => {
                self.watchdog = Some(needed);
                self.tell(&format!("READY=1\nWATCHDOG_USEC={}", needed.as_micros()));
            }
            _ => self.tell("READY=1"),
        }
    }

    /// The loop has made a step. `status`: one line, made only for a service.
    pub fn progress(&mut self, status: impl FnOnce() -> String) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
        if self.socket.is_none() {
            return;
        }
        let status = status();
        if status != self.status {
            self.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// Reloading; ready follows.
    pub fn reloading(&self) {
        let micros = monotonic().0 / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Never blocks on a manager that doesn't read.
    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::debug!("cannot notify the service manager of {text:?}: {error}");
        }
    }
}

/// A path, or with a leading `@` an abstract name.
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        _ => socket.connect(address)?,
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 500];
        let mut all = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        all
    }

    #[test]
    fn the_service_manager_gets_the_protocol() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let socket = Some(connect(path.as_os_str()).unwrap());
        let watchdog = Some(Duration::from_secs(30));
        let mut service = Service { socket, watchdog, status: String::new() };
        service.ready(Duration::from_secs(1));
        service.progress(|| "observe: 3 VMs".to_owned());
        service.progress(|| "observe: 3 VMs".to_owned());
        service.reloading();
        service.ready(Duration::from_secs(20));
        service.stopping();
        service.progress(|| "ending".to_owned());
        let heard = heard(&manager);
        let (reloading, micros) = heard[4].split_once("\nMONOTONIC_USEC=").unwrap();
        assert_eq!(reloading, "RELOADING=1");
        assert!(micros.parse::<u64>().unwrap() > 0);
        let expected = [
            "READY=1",
            "WATCHDOG=1",
            "STATUS=observe: 3 VMs",
            "WATCHDOG=1",
            &heard[4],
            "READY=1\nWATCHDOG_USEC=60000000",
            "STOPPING=1",
            "WATCHDOG=1",
            "STATUS=ending",
        ];
        assert_eq!(heard, expected);
    }

    #[test]
    fn an_abstract_socket_is_reached_and_a_missing_one_is_ignored() {
        let name = format!("memtrace-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = connect(OsStr::new(&format!("@{name}"))).unwrap();
        let service = Service { socket: Some(socket), ..Service::default() };
        service.stopping();
        manager.set_nonblocking(true).unwrap();
        assert_eq!(heard(&manager), ["STOPPING=1"]);
        drop(manager);
        service.stopping();
        Service::default().stopping();
    }
}
