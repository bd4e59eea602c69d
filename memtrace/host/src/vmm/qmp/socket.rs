//! Connects to the socket path of a VM's command line.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use tokio::net::UnixStream;

use super::Target;

/// Connects to the monitor.
///
/// # Errors
/// A message for the operator.
pub(super) async fn connect(target: &Target) -> Result<UnixStream, String> {
    let describe = |error: io::Error| match error.kind() {
        // For a socket: the queue of waiting clients is full.
        io::ErrorKind::WouldBlock => format!("{}: busy with other clients", target.path),
        _ => format!("{}: {error}", target.path),
    };
    let (process, path) = (target.process.clone(), target.path.clone());
    let socket = tokio::task::spawn_blocking(move || open(&process, &path))
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(describe)?;
    // Through the descriptor: no second walk of the path, no limit to its length.
    let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let stream = UnixStream::connect(path).await.map_err(describe)?;
    let peer = stream.peer_cred().map_err(describe)?.pid().and_then(|pid| u32::try_from(pid).ok());
    match (peer, target.peer) {
        (Some(peer), Some(expected)) if peer != expected && peer != 0 => {
            Err(format!("{}: socket of process {peer}, not of this VM", target.path))
        }
        _ => Ok(stream),
    }
}

/// The socket itself, found as the VM's process would find it. A VM in a container has
/// another root, and a link in there must not lead to a socket of the host.
fn open(process: &Path, path: &str) -> io::Result<OwnedFd> {
    let (base, resolve) = if path.starts_with('/') {
        (process.join("root"), ResolveFlags::IN_ROOT)
    } else {
        (process.join("cwd"), ResolveFlags::BENEATH)
    };
    let base = File::open(base)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(openat2(base, path, flags, Mode::empty(), resolve | ResolveFlags::NO_MAGICLINKS)?)
}
