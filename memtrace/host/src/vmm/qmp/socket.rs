//! Connects to the socket path of a VM's command line.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FileType, OFlags, fstat};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::Target;
use crate::hostfs::process::{listening, sight};

/// Most sockets of one user's VMs that are looked for at once: each takes a thread, for as long as
/// its file system hangs.
pub(super) const MOST_OF_A_USER: usize = 8;

/// The turns of users' VMs, of those that look for a socket.
static TURNS: Mutex<BTreeMap<Option<u32>, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());

fn turns(user: Option<u32>) -> Arc<Semaphore> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.retain(|_, turns| Arc::strong_count(turns) > 1);
    Arc::clone(turns.entry(user).or_insert_with(|| Arc::new(Semaphore::new(MOST_OF_A_USER))))
}

/// Connects to the monitor.
///
/// # Errors
/// A message for the operator.
pub(super) async fn connect(target: &Target) -> Result<UnixStream, String> {
    let describe = |error: io::Error| match error.kind() {
        // For a socket: the queue of waiting clients is full.
        io::ErrorKind::WouldBlock => format!("{}: busy with other clients", target.path),
        io::ErrorKind::NotFound if is_elsewhere(target) => format!(
            "{}: relative to the directory that its daemon was started in, which isn't known; give \
             an absolute path",
            target.path
        ),
        _ => format!("{}: {error}", target.path),
    };
    let asked = target.clone();
    let turn = turns(target.user).acquire_owned().await.map_err(|error| error.to_string())?;
    let found = move || {
        let found = open(&asked);
        drop(turn);
        found
    };
    let socket = tokio::task::spawn_blocking(found)
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

/// A daemon has left the directory in which its relative paths begin.
fn is_elsewhere(target: &Target) -> bool {
    target.start.daemon && !target.path.starts_with('/')
}

/// The socket itself, found as the VM's process would have found it. Only one of the process' own
/// user is connected to, or one on which the process itself listens, as that may have changed its
/// user since (`-runas`): the path is what a command line says, and would else lead memtrace to any
/// of root's services.
fn open(target: &Target) -> io::Result<OwnedFd> {
    let socket = sight::open(&target.process, &target.path, &target.start, OFlags::PATH)?;
    let stat = fstat(&socket)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(io::Error::other("it is no socket"));
    }
    let owner = sight::owner(&target.process)?;
    if stat.st_uid != owner && !listening::is_held(&target.process, &stat) {
        return Err(io::Error::other(format!(
            "not connected: it belongs to user {}, and the VM to user {owner}",
            stat.st_uid
        )));
    }
    Ok(socket)
}
