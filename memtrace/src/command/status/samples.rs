//! Who takes the samples that others of this host read, and how many do.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::service::samples::read::Samples;
use memtrace_core::units::WallNanos;
use memtrace_host::hostfs::HostRoot;

/// Most of /proc/net/unix that is read.
const MOST: u64 = 16 << 20;
/// The state of a connected socket there (`SS_CONNECTED`, include/uapi/linux/net.h).
const CONNECTED: &[u8] = b"03";

/// The one that serves its samples.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) socket: PathBuf,
    /// The command that samples: `exporter`.
    pub(super) command: String,
    pub(super) pid: u32,
    pub(super) since: WallNanos,
    /// `None`: they can't be counted.
    pub(super) readers: Option<u64>,
}

/// Who serves at this socket. `None`: nobody.
///
/// # Errors
/// Why that can't be found out.
pub(super) fn serving(root: &HostRoot, socket: &Path) -> Result<Option<Serving>, String> {
    // Before this one is a reader as well.
    let readers = readers(root, socket);
    let samples = Samples::found(socket).map_err(|error| format!("{error:#}"))?;
    Ok(samples.map(|samples| {
        let origin = samples.origin();
        Serving {
            socket: socket.to_owned(),
            command: origin.command.clone(),
            pid: origin.pid,
            since: origin.since,
            readers,
        }
    }))
}

/// Connections to the socket, by the kernel's list: the end of the one that serves has its path.
fn readers(root: &HostRoot, socket: &Path) -> Option<u64> {
    let list = BufReader::new(File::open(root.proc.join("net/unix")).ok()?.take(MOST));
    let path = socket.as_os_str().as_bytes();
    let is_one = |line: &[u8]| {
        let state = line.split(|byte| *byte == b' ').nth(5);
        let before = line.strip_suffix(path).and_then(|line| line.strip_suffix(b" "));
        state == Some(CONNECTED) && before.is_some()
    };
    let lines = list.split(b'\n').map_while(Result::ok);
    Some(lines.filter(|line| is_one(line)).count() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::service::live;
    use memtrace_host::hostfs::fake::FakeHost;
    use memtrace_store::recording::{Origin, greeting};

    #[test]
    fn who_serves_is_told_with_those_who_read() {
        let folder = tempfile::tempdir().expect("there is room");
        let socket = folder.path().join("s.sock");
        let root = live::host().expect("there is /proc");
        assert!(serving(&root, &socket).expect("nothing fails").is_none());
        let listener = UnixListener::bind(&socket).expect("it is free");
        let _readers = [(); 2].map(|()| {
            let reader = UnixStream::connect(&socket).expect("it listens");
            (reader, listener.accept().expect("it is there"))
        });
        let told = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("somebody comes");
                let (command, version) = ("exporter".to_owned(), "1.2.3".to_owned());
                let origin = Origin { command, version, pid: 42, since: WallNanos(7) };
                let bytes = greeting(&origin).expect("it is written");
                stream.write_all(&bytes).expect("it is read");
            });
            serving(&root, &socket)
        });
        let told = told.expect("it answers").expect("it serves");
        assert_eq!((&*told.command, told.pid, told.since), ("exporter", 42, WallNanos(7)));
        assert_eq!((told.socket, told.readers), (socket, Some(2)));
    }

    #[test]
    fn a_socket_of_something_else_is_a_problem() {
        let folder = tempfile::tempdir().expect("there is room");
        let socket = folder.path().join("s.sock");
        let listener = UnixListener::bind(&socket).expect("it is free");
        let told = std::thread::scope(|scope| {
            scope.spawn(|| drop(listener.accept().expect("somebody comes")));
            serving(&FakeHost::unified().root(), &socket)
        });
        let problem = told.expect_err("it says nothing");
        assert!(problem.starts_with("cannot read the samples of another memtrace"), "{problem}");
    }

    #[test]
    fn only_connections_to_that_socket_count() {
        let host = FakeHost::unified();
        assert_eq!(readers(&host.root(), Path::new("/run/s.sock")), None);
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    ffff0000: 00000002 00000000 00010000 0001 01 100 /run/s.sock\n\
                    ffff0001: 00000003 00000000 00000000 0001 03 101 /run/s.sock\n\
                    ffff0002: 00000003 00000000 00000000 0001 03 102\n\
                    ffff0003: 00000003 00000000 00000000 0001 03   103 /run/s.sock\n\
                    ffff0004: 00000003 00000000 00000000 0001 03 104 /x/run/s.sock\n";
        host.file("proc/net/unix", list);
        assert_eq!(readers(&host.root(), Path::new("/run/s.sock")), Some(2));
        assert_eq!(readers(&host.root(), Path::new("s.sock")), Some(0));
    }
}
