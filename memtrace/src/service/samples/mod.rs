//! Samples for other memtraces of this host, over a Unix socket: the one that samples all the time
//! serves them, and the others read them and load no programs.

pub(crate) mod read;
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

/// Serves the samples of a loop from now on. `command`: the one that has it; `typed`: the socket
/// that was asked for. Needs a runtime.
///
/// # Errors
/// When there can be no socket where it was asked for. Elsewhere that is logged.
pub(crate) fn offer(
    command: &str,
    (typed, config): (Option<&Path>, &SamplesConfig),
    handle: &Handle,
) -> Result<()> {
    if typed.is_none() && !config.serve {
        return Ok(());
    }
    let listener = match (open(typed.unwrap_or(&config.socket)), typed) {
        (Ok(listener), _) => listener,
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => {
            let is_taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
            if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_taken)) {
                tracing::info!("another memtrace serves its samples: {error:#}");
            } else {
                tracing::warn!("samples are not served to other memtraces: {error:#}");
            }
            return Ok(());
        }
    };
    tokio::spawn(serve::serve(listener, serve::origin(command), handle.samples.clone()));
    Ok(())
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
    Listener::open(&Address::Path(path.to_owned()), &access)
}
