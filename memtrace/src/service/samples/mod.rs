//! Samples for other memtraces of this host, over a Unix socket: the one that samples all the time
//! serves them, and the others read them and load no programs.

pub(crate) mod again;
mod patient;
pub(crate) mod read;
mod rhythm;
pub(crate) mod serve;

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

use anyhow::Result;
use nix::unistd::Group;

use crate::config::{SOCKET, SamplesConfig};
use crate::service::metrics::listen::Listener;
use crate::service::sampling::Handle;
use crate::sys::address::{Access, Address};

/// Whose members may read samples, where there is such a group.
const GROUP: &str = "memtrace";
/// Bytes that may wait for a reader in its socket: the kernel's own limit holds the small samples
/// of minutes, so that one that doesn't read would keep its place as long.
const WAITING: usize = 4096;

/// The socket on which samples are served. Who connects before that waits.
#[derive(Debug)]
pub(crate) struct Offer(Listener);

/// Opens the socket. `typed`: the one that was asked for. Needs a runtime, and root's privileges to
/// give it to the group.
///
/// # Errors
/// When there can be no socket where it was asked for. Elsewhere that is logged.
pub(crate) fn offer(typed: Option<&Path>, config: &SamplesConfig) -> Result<Option<Offer>> {
    if typed.is_none() && !config.serve {
        return Ok(None);
    }
    match (open(typed.unwrap_or(&config.socket)), typed) {
        (Ok(listener), _) => Ok(Some(Offer(listener))),
        (Err(error), Some(_)) => Err(error),
        (Err(error), None) => {
            let is_taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
            if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_taken)) {
                tracing::info!("another memtrace serves its samples: {error:#}");
            } else {
                tracing::warn!("samples are not served to other memtraces: {error:#}");
            }
            Ok(None)
        }
    }
}

impl Offer {
    /// Serves the samples of a loop from now on. `command`: the one that has it. Needs a runtime.
    pub(crate) fn serve(self, command: &str, handle: &Handle) {
        tokio::spawn(serve::serve(self.0, serve::origin(command), handle.samples.clone()));
    }
}

fn open(path: &Path) -> Result<Listener> {
    let group = Group::from_name(GROUP).ok().flatten().map(|group| group.gid.as_raw());
    if path == Path::new(SOCKET)
        && let Some(directory) = path.parent()
        && DirBuilder::new().mode(0o750).create(directory).is_ok()
    {
        chown(directory, None, group)?;
    }
    let access = Access { group: group.map(|group| group.to_string()), ..Access::default() };
    let mut listener = Listener::open(&Address::Path(path.to_owned()), &access)?;
    listener.limit_waiting(WAITING);
    Ok(listener)
}
